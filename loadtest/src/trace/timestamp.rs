//! Unix times as decimal text.

/// Microseconds since 1970 from seconds with an optional fraction; digits beyond the sixth are cut off. Read without
/// floats: a double holds today's microseconds only just.
pub(super) fn parse(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if seconds.is_empty() || !all_digits(seconds) || !all_digits(fraction) {
        return None;
    }
    let seconds: u64 = seconds.parse().ok()?;
    let mut micros = 0_u64;
    let mut digits = fraction.bytes();
    for _ in 0..6 {
        let digit = digits.next().map_or(0, |byte| byte.saturating_sub(b'0'));
        micros = micros.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    seconds.checked_mul(1_000_000)?.checked_add(micros)
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn fractions_are_microseconds() {
        assert_eq!(parse("1388564040"), Some(1_388_564_040_000_000));
        assert_eq!(parse("1630589706.724"), Some(1_630_589_706_724_000));
        assert_eq!(parse("1538478769.6002939"), Some(1_538_478_769_600_293));
        assert_eq!(parse("7."), Some(7_000_000));
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in ["", ".5", "-1", "+1", "1e9", "1.2.3", "99999999999999999999", "18446744073710"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
