//! The digests that requests to object storage are signed with.

use std::fmt;

use object_store::client::{
    CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, Signer, SigningAlgorithm,
};
use object_store::{Error, Result};
use sha2::{Digest, Sha256};

/// Bytes that SHA-256 takes at a time, which a key is filled up to (RFC 2104).
const BLOCK_BYTES: usize = 64;

/// SHA-256, and HMAC over it.
#[derive(Debug)]
pub(super) struct Signing;

#[derive(Debug, thiserror::Error)]
#[error("object storage asks for {0}, which is not there")]
struct Unsupported(String);

fn unsupported(what: &impl fmt::Debug) -> Error {
    Error::NotSupported { source: Box::new(Unsupported(format!("{what:?}"))) }
}

/// A digest that is being made, or was.
#[derive(Default)]
struct Running {
    state: Sha256,
    done: Vec<u8>,
}

impl DigestContext for Running {
    fn update(&mut self, data: &[u8]) {
        self.state.update(data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        self.done = self.state.finalize_reset().to_vec();
        Ok(&self.done)
    }
}

/// An HMAC that is being made.
struct Keyed {
    inner: Running,
    outer: Running,
}

impl Keyed {
    fn new(secret: &[u8]) -> Self {
        let mut key = [0; BLOCK_BYTES];
        let digest = Sha256::digest(secret);
        let secret = if secret.len() > BLOCK_BYTES { digest.as_slice() } else { secret };
        key[..secret.len()].copy_from_slice(secret);
        let begun = |pad: u8| {
            let mut running = Running::default();
            running.update(&key.map(|byte| byte ^ pad));
            running
        };
        Self { inner: begun(0x36), outer: begun(0x5c) }
    }
}

impl HmacContext for Keyed {
    fn update(&mut self, data: &[u8]) {
        self.inner.update(data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        let inner = self.inner.finish()?;
        self.outer.update(inner);
        self.outer.finish()
    }
}

impl CryptoProvider for Signing {
    fn digest(&self, algorithm: DigestAlgorithm) -> Result<Box<dyn DigestContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Running::default())),
            other => Err(unsupported(&other)),
        }
    }

    fn hmac(&self, algorithm: DigestAlgorithm, secret: &[u8]) -> Result<Box<dyn HmacContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Keyed::new(secret))),
            other => Err(unsupported(&other)),
        }
    }

    fn sign(&self, algorithm: SigningAlgorithm, _: &[u8]) -> Result<Box<dyn Signer>> {
        Err(unsupported(&algorithm))
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::hex;
    use super::*;

    /// The cases 1, 2 and 6 of RFC 4231: a short key, a text key, and one longer than a block.
    #[test]
    fn codes_are_those_of_the_standard() {
        for (key, parts, expected) in [
            (
                vec![0x0b; 20],
                ["Hi ", "There"],
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe".to_vec(),
                ["what do ya want ", "for nothing?"],
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 131],
                ["Test Using Larger Than Block-Size Key", " - Hash Key First"],
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            let mut code = Signing.hmac(DigestAlgorithm::Sha256, &key).unwrap();
            parts.iter().for_each(|part| code.update(part.as_bytes()));
            assert_eq!(hex(code.finish().unwrap()), expected);
        }
    }

    #[test]
    fn digests_are_those_of_the_standard() {
        let mut digest = Signing.digest(DigestAlgorithm::Sha256).unwrap();
        digest.update(b"a");
        digest.update(b"bc");
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(digest.finish().unwrap()), expected);
    }
}
