//! Points in time as images write them.

/// RFC 3339 in UTC, as Go prints it: `2026-11-22T10:00:00.5Z`, without trailing zeroes.
pub fn rfc3339(seconds: i64, nanoseconds: u32) -> String {
    let fraction = match nanoseconds {
        0 => String::new(),
        _ => format!(".{nanoseconds:09}").trim_end_matches('0').to_owned(),
    };
    format!("{}{fraction}Z", to_the_second(seconds))
}

/// The same with all nine digits, so that texts are ordered as the times are.
pub fn rfc3339_fixed(seconds: i64, nanoseconds: u32) -> String {
    format!("{}.{nanoseconds:09}Z", to_the_second(seconds))
}

fn to_the_second(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Civil date of a day count, counted in eras of 400 years that begin on 1 March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Seconds since 1970, and nanoseconds, of an RFC 3339 moment; `None` for what is none, or lies before.
pub fn parse_rfc3339(text: &str) -> Option<(u64, u32)> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let numbers = |text: &str, separator: char| -> Option<[u64; 3]> {
        let mut parts = text.split(separator).map(|part| part.parse().ok());
        let three = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(three)
    };
    let [year, month, day] = numbers(date, '-')?;
    let clock_end = time.find(['.', 'Z', 'z', '+', '-']).unwrap_or(time.len());
    let [hour, minute, second] = numbers(time.get(..clock_end)?, ':')?;
    let rest = time.get(clock_end..)?;
    let digits =
        rest.strip_prefix('.').map_or("", |rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or(""));
    let nanoseconds = format!("{digits:0<9}").get(..9)?.parse().ok()?;
    let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.as_bytes() {
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), ..] => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            if *sign == b'+' { -minutes * 60 } else { minutes * 60 }
        }
        _ => return None,
    };
    if year > 9999 || !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60
    {
        return None;
    }
    // Days since 1970, in years that begin in March so that the leap day is the last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = (y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1).checked_sub(719_468)?;
    let seconds = (days * 86_400 + hour * 3600 + minute * 60 + second).checked_add_signed(offset)?;
    Some((seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_print_as_date_prints_them() {
        // Each as `date -u -d @SECONDS +%FT%TZ` prints it.
        assert_eq!(rfc3339(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400, 0), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_795_344_499, 120_000_000), "2026-11-22T10:48:19.12Z");
        assert_eq!(rfc3339(-1, 0), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn what_is_printed_is_read() {
        for (seconds, nanoseconds) in
            [(0, 0), (951_782_400, 5), (1_795_344_499, 120_000_000), (4_102_444_799, 999_999_999)]
        {
            assert_eq!(parse_rfc3339(&rfc3339(seconds, nanoseconds)), Some((seconds as u64, nanoseconds)));
            assert_eq!(parse_rfc3339(&rfc3339_fixed(seconds, nanoseconds)), Some((seconds as u64, nanoseconds)));
        }
        for wrong in ["", "2026-11-26", "2026-11-26T00:00:00", "2026-13-26T00:00:00Z", "2026-11-26T00:00:00.x"] {
            assert_eq!(parse_rfc3339(wrong), None, "{wrong}");
        }
    }
}
