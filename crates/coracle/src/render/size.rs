//! Sizes as docker tells those of images: by thousands, three digits.

/// `74.8MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    // In thousandths of the unit, which integers hold exactly.
    let mut thousandths = u128::from(bytes) * 1000;
    let mut unit = 0;
    while thousandths >= 1_000_000 && unit + 1 < UNITS.len() {
        thousandths /= 1000;
        unit += 1;
    }
    let step = match thousandths {
        ..10_000 => 10,
        10_000..100_000 => 100,
        _ => 1000,
    };
    let thousandths = (thousandths + step / 2) / step * step;
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    format!("{}{}", text.trim_end_matches('0').trim_end_matches('.'), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, told) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1234, "1.23kB"),
            (74_800_000, "74.8MB"),
            (123_456_789, "123MB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(size(bytes), told, "{bytes}");
        }
    }
}
