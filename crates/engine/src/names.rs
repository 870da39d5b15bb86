//! Names for containers that were given none: a boat's quality and a river.

/// Qualities.
const QUALITIES: [&str; 32] = [
    "agile", "amber", "brave", "bright", "calm", "clever", "copper", "dapper", "eager", "fleet", "gentle", "golden",
    "hardy", "honest", "jolly", "keen", "light", "lively", "lucky", "merry", "nimble", "patient", "proud", "quick",
    "quiet", "sharp", "silver", "steady", "sturdy", "swift", "tidy", "wise",
];

/// Rivers.
const RIVERS: [&str; 32] = [
    "adige", "aare", "boyne", "clyde", "dee", "derwent", "ebro", "eider", "elbe", "garonne", "isar", "kemi", "lagan",
    "liffey", "loire", "medway", "meuse", "mosel", "neckar", "neisse", "oder", "rhone", "saale", "severn", "shannon",
    "spree", "taff", "tagus", "teifi", "tyne", "wye", "ysel",
];

/// A name out of an id, which is random: the same id gives the same name.
pub fn of(id: &str) -> String {
    let number = |range: std::ops::Range<usize>| {
        id.get(range).and_then(|digits| usize::from_str_radix(digits, 16).ok()).unwrap_or(0)
    };
    let quality = QUALITIES[number(0..4) % QUALITIES.len()];
    let river = RIVERS[number(4..8) % RIVERS.len()];
    format!("{quality}_{river}_{}", id.get(8..12).unwrap_or("0"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_follows_from_the_id() {
        assert_eq!(super::of("000000010abc"), "agile_aare_0abc");
        assert_ne!(super::of("000000010abc"), super::of("000000010abd"));
    }
}
