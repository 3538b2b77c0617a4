//! Requests that two readers may understand in two ways, and bytes that are none: each file of
//! `tests/corpus/http` is sent as it is, and what comes back has to be right.
//!
//! Most end in a request for `/smuggled`, which is answered with 404 if it is taken for one: it may
//! be only where every reader has to see it as the next request.

use std::path::Path;
use std::time::Duration;

use odometer::runtime::clock::Stopwatch;

use crate::abuse::{KEY, Polite, USAGE, open, read_all, service, statuses};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/http");
/// No file takes longer, the timeout included.
const ENDED: Duration = Duration::from_secs(10);

/// What is answered, in order; nothing stands for a connection that is closed without a word.
const EXPECTED: [(&str, &[u16]); 60] = [
    ("absolute_uri", &[200]),
    ("absolute_uri_odd", &[400]),
    ("after_a_bad_one", &[400]),
    ("asterisk", &[404]),
    ("authority_form", &[404, 404]),
    ("bare_cr_in_value", &[400]),
    ("bare_lf", &[200, 404]),
    ("blank_lines_first", &[200]),
    ("body_of_get", &[200]),
    ("chunk_bare_lf", &[404]),
    ("chunk_extension_long", &[404]),
    ("chunk_size_negative", &[404]),
    ("chunk_size_not_hex", &[404]),
    ("chunk_size_overflows", &[404]),
    ("chunk_without_end", &[404]),
    ("cl_and_te", &[404]),
    ("expect_other", &[404]),
    ("fold_first_line", &[400]),
    ("fragment_in_target", &[200]),
    ("http2_preface", &[]),
    ("http2_upgrade", &[200]),
    ("length_hex", &[400]),
    ("length_huge", &[400]),
    ("length_list_differs", &[400]),
    ("length_negative", &[400]),
    ("length_signed", &[400]),
    ("method_long", &[431]),
    ("method_lower_case", &[404]),
    ("method_not_a_token", &[400]),
    ("method_unknown", &[404]),
    ("no_host", &[400]),
    ("no_name", &[400]),
    ("nothing_but_bytes", &[400]),
    ("nul_in_name", &[400]),
    ("nul_in_target", &[400]),
    ("nul_in_value", &[400]),
    ("obs_fold", &[400]),
    ("only_blank_lines", &[431]),
    ("pipelined", &[200, 200, 200, 200]),
    ("raw_bytes_in_target", &[400]),
    ("space_before_colon", &[400]),
    ("space_in_target", &[400]),
    ("spaces_in_line", &[400]),
    ("te_and_cl", &[404]),
    ("te_chunked_twice", &[400]),
    ("te_identity", &[400]),
    ("te_not_last", &[400]),
    ("te_odd_case_and_tab", &[404]),
    ("te_space_before_colon", &[400]),
    ("te_unknown", &[400]),
    ("te_vertical_tab", &[400]),
    ("tls_hello", &[400]),
    ("trailer_length", &[404]),
    ("trailers_many", &[404]),
    ("two_hosts", &[400]),
    ("two_lengths_differ", &[400]),
    ("version_0_9", &[400]),
    ("version_1_0", &[200]),
    ("version_2", &[400]),
    ("version_lower_case", &[400]),
];

#[test]
fn nothing_is_smuggled() {
    let service = service(&[("http.read_timeout_ms", "500")]);
    let address = service.running().address;
    let mut files: Vec<_> =
        std::fs::read_dir(Path::new(CORPUS)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let watch = Stopwatch::start();
        let text = read_all(open(address, &std::fs::read(file).unwrap()));
        assert!(watch.elapsed() < ENDED, "{name}");
        let got = statuses(&text);
        let expected = EXPECTED.iter().find(|(own, _)| *own == name).map(|(_, expected)| *expected);
        if expected != Some(&got[..]) {
            wrong.push(format!("(\"{name}\", &{got:?}),"));
        }
        // The same to a route that reads the body: never a second answer either.
        let bytes = std::fs::read(file).unwrap();
        if let Some(rest) = bytes.strip_prefix(b"POST /livez HTTP/1.1\r\n") {
            let head =
                format!("POST /api/v1/customers HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n");
            let text = read_all(open(address, &[head.as_bytes(), rest].concat()));
            let got = statuses(&text);
            assert!(got.len() == 1 && (400..500).contains(&got[0]), "{name}: {text}");
        }
        Polite::new(address).ask();
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(files.len(), EXPECTED.len());
}

/// Ids and parameters that are no text, hold NUL, or mean something to somebody: an answer of ours,
/// and never one about a defect.
#[test]
fn ids_and_parameters_are_bytes_of_strangers() {
    let service = service(&[]);
    let address = service.running().address;
    let odd = [
        "%00",
        "a%00b",
        "%ff%fe",
        "%c3%28",
        "%ed%a0%80",
        "%",
        "%4",
        "%zz",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "..",
        "%0d%0aX:%20y",
        "%7f",
        "%e2%80%ae",
        "%f0%9f%98%80",
        "a;b",
        "*",
        "'--",
        "{id}",
    ];
    let long = "x".repeat(20_000);
    for odd in odd.into_iter().chain([&*long]) {
        for path in [
            format!("/api/v1/customers/{odd}/current_usage"),
            format!("/api/v1/customers/{odd}/past_usage"),
            format!("/api/v1/customers/{odd}"),
            format!("/api/v1/plans/{odd}"),
            format!("/api/v1/events/{odd}"),
            format!("/api/v1/subscriptions/{odd}/charges"),
            format!("/docs/{odd}"),
            format!("{USAGE}&charge_code={odd}&group[{odd}]={odd}"),
            format!("{USAGE}&{odd}={odd}&min_offset={odd}&max_staleness={odd}"),
            format!("/api/v1/customers?page={odd}&per_page={odd}"),
        ] {
            let head = format!(
                "GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {KEY}\r\n\
                 Connection: close\r\n\r\n"
            );
            let text = read_all(open(address, head.as_bytes()));
            let got = statuses(&text);
            let fine = |status: &u16| *status < 500 || *status == 503;
            assert!(got.len() == 1 && got.iter().all(fine), "{path}\n{text}");
            assert!(!text.contains("\r\nX: y"), "{path}\n{text}");
        }
    }
    for body in [
        &b"{\"customer\":{\"external_id\":\"a\\u0000b\"}}"[..],
        b"{\"customer\":{\"external_id\":\"\xff\"}}",
        b"\0",
        b"{\"customer\":{\"external_id\":\"\\ud800\"}}",
    ] {
        let head = format!(
            "POST /api/v1/customers HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {KEY}\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let text = read_all(open(address, &[head.as_bytes(), body].concat()));
        assert_eq!(statuses(&text), [400], "{text}");
    }
}
