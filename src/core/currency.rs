//! Currencies and their smallest unit (specification 6.10).

/// Codes that plans may be priced in.
const ACCEPTED: [&str; 142] = [
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT",
    "BGN", "BHD", "BIF", "BMD", "BND", "BOB", "BRL", "BSD", "BWP", "BYN", "BZD", "CAD", "CDF",
    "CHF", "CLF", "CLP", "CNY", "COP", "CRC", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EGP",
    "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD",
    "HNL", "HRK", "HTG", "HUF", "IDR", "ILS", "INR", "IRR", "ISK", "JMD", "JOD", "JPY", "KES",
    "KGS", "KHR", "KMF", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD",
    "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRO", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN",
    "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG",
    "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR", "SEK", "SGD", "SHP", "SLL", "SOS",
    "SRD", "STD", "SZL", "THB", "TJS", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD",
    "UYU", "UZS", "VND", "VUV", "WST", "XAF", "XCD", "XOF", "XPF", "YER", "ZAR", "ZMW",
];

/// Decimals of most currencies, and of every pricing unit.
const USUAL_EXPONENT: u32 = 2;

/// How a currency divides: its smallest unit is 10^−`exponent` of the major one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency {
    exponent: u32,
}

impl Currency {
    /// The division of a custom pricing unit: hundredths (6.7).
    pub const PRICING_UNIT: Self = Self { exponent: USUAL_EXPONENT };

    /// The division of the currency with this code; hundredths for every code not in the table.
    pub fn of(code: &str) -> Self {
        let exponent = match code {
            "BIF" | "CLP" | "DJF" | "GNF" | "HUF" | "ISK" | "JPY" | "KMF" | "KRW" | "MGA"
            | "PYG" | "RWF" | "UGX" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "JOD" | "KWD" => 3,
            "CLF" => 4,
            _ => USUAL_EXPONENT,
        };
        Self { exponent }
    }

    /// Whether plans may be priced in this code.
    pub fn is_accepted(code: &str) -> bool {
        ACCEPTED.binary_search(&code).is_ok()
    }

    /// Every accepted code, in alphabetical order.
    pub fn accepted() -> &'static [&'static str] {
        &ACCEPTED
    }

    /// Decimals of an amount in the major unit.
    pub const fn exponent(self) -> u32 {
        self.exponent
    }

    /// Smallest units in one major unit, a power of ten.
    pub const fn subunit(self) -> i64 {
        10_i64.pow(self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_so_that_it_can_be_searched() {
        assert!(ACCEPTED.is_sorted_by(|a, b| a < b));
        for code in ["AED", "EUR", "HRK", "MRO", "ZMW", "CLF"] {
            assert!(Currency::is_accepted(code), "{code}");
        }
        for code in ["", "eur", "BTC", "XXX", "EURO"] {
            assert!(!Currency::is_accepted(code), "{code}");
        }
    }

    #[test]
    fn smallest_units_follow_the_table() {
        for (code, exponent, subunit) in [
            ("EUR", 2, 100),
            ("TWD", 2, 100),
            ("HRK", 2, 100),
            ("JPY", 0, 1),
            ("HUF", 0, 1),
            ("KWD", 3, 1000),
            ("CLF", 4, 10_000),
        ] {
            let currency = Currency::of(code);
            assert_eq!((currency.exponent(), currency.subunit()), (exponent, subunit), "{code}");
        }
    }
}
