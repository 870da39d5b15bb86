//! What a container may use: asked, effective, used now, and who set it.

use super::{Page, by, bytes};
use crate::columns::Columns;
use engine::sides::{Amount, Limit, Sides, Unit};

pub(super) fn write(page: &mut Page, sides: &Sides) {
    if let Some(cgroup) = &sides.uses.cgroup {
        page.line(&format!("  cgroup  {cgroup}"));
    } else if sides.runs {
        page.line("  no cgroup of its own: nothing is limited, nothing is counted");
    }
    limits(page, sides);
    ulimits(page, sides);
}

fn limits(page: &mut Page, sides: &Sides) {
    let limits = &sides.uses.limits;
    if limits.is_empty() {
        return;
    }
    let mut columns = Columns::new(4, &[1, 2, 3, 4]);
    columns.row(["", "asked", "effective", "used now", "peak", "set by"]);
    for limit in limits {
        let told = |amount: Option<&Amount>| amount.map_or_else(|| "-".to_owned(), |amount| text(amount, limit.unit));
        let by = if limit.asked.is_some() { by(limit.by.as_ref()) } else { String::new() };
        let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| used(count, limit));
        columns.row([
            &limit.name,
            &told(limit.asked.as_ref()),
            &told(limit.effective.as_ref()),
            &count(limit.used),
            &count(limit.peak),
            &by,
        ]);
    }
    page.line("  limits");
    page.text.push_str(&columns.lines(page.width));
    for limit in limits {
        if let Some(tighter) = &limit.tighter {
            let amount = text(&tighter.amount, limit.unit);
            let words =
                format!("{}: no more than {amount} all the same, by the cgroup above, {}", limit.name, tighter.cgroup);
            page.words(4, words.split(' '));
        }
        for (what, count) in &limit.events {
            page.line(&format!("    {}: {count} {what}", limit.name));
        }
    }
}

/// An amount as people read it.
fn text(amount: &Amount, unit: Unit) -> String {
    match (amount, unit) {
        (Amount::Number(number), Unit::Bytes) => bytes(*number),
        (Amount::Number(number), Unit::MilliCpus) => decimal(*number),
        (Amount::Number(number), Unit::Count) => number.to_string(),
        (amount, _) if amount.is_open() => "no limit".to_owned(),
        (Amount::Text(text), _) => text.clone(),
    }
}

fn used(count: u64, limit: &Limit) -> String {
    match limit.unit {
        Unit::Bytes => bytes(count),
        // Nanoseconds of processor time.
        Unit::MilliCpus => format!("{} s", decimal(count / 1_000_000)),
        Unit::Count => count.to_string(),
    }
}

fn decimal(thousandths: u64) -> String {
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What somebody has asked for, and what is not as wide as it can be.
fn ulimits(page: &mut Page, sides: &Sides) {
    let number = |name: &str, number: u64| match name {
        "as" | "core" | "data" | "fsize" | "memlock" | "msgqueue" | "rss" | "stack" => bytes(number),
        _ => number.to_string(),
    };
    let told = |name: &str, pair: &Option<[Option<u64>; 2]>| {
        let one = |limit: Option<u64>| limit.map_or_else(|| "no limit".to_owned(), |limit| number(name, limit));
        match pair {
            None => "-".to_owned(),
            Some([soft, hard]) if soft == hard => one(*soft),
            Some([soft, hard]) => format!("{}:{}", one(*soft), one(*hard)),
        }
    };
    let mut columns = Columns::new(4, &[1, 2, 3]);
    columns.row(["", "asked", "effective", "used now", "", "set by"]);
    let narrow =
        |effective: &Option<[Option<u64>; 2]>| effective.is_some_and(|[soft, _]| soft.is_some_and(|soft| soft > 0));
    let all = sides.uses.ulimits.iter().filter(|limit| limit.asked.is_some() || narrow(&limit.effective));
    let mut any = false;
    for limit in all {
        any = true;
        let used = limit.used.map_or_else(|| "-".to_owned(), |used| number(&limit.name, used));
        let (asked, effective) = (told(&limit.name, &limit.asked), told(&limit.name, &limit.effective));
        columns.row([&limit.name, &asked, &effective, &used, "", &by(limit.by.as_ref())]);
    }
    if any {
        page.line("  limits of its first process");
        page.text.push_str(&columns.lines(page.width));
    }
}
