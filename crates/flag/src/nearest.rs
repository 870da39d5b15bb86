//! "Did you mean": the known word that is nearest to a mistyped one.

/// The first of `known` whose edit distance to `word` is smallest, if that is small enough to be a slip: at most a
/// third of the word, and at most three. Case does not count.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let allowed = (word.chars().count().div_ceil(3)).min(3);
    known
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment) that lead from one word
/// to the other. Words longer than 64 characters are infinitely far: nobody mistypes those.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    if left.len() > 64 || right.len() > 64 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, r) in right.iter().enumerate() {
            let mut best = (above[j] + usize::from(l != r)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *l == right[j - 1] && left[i - 1] == *r {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word() {
        for (slip, word) in [("memroy", "memory"), ("NET_ADMN", "NET_ADMIN"), ("TREM", "TERM"), ("rum", "run")] {
            assert_eq!(nearest(slip, ["memory", "NET_ADMIN", "TERM", "run", "hostname"]), Some(word), "{slip}");
        }
    }

    #[test]
    fn a_different_word_finds_nothing() {
        assert_eq!(nearest("banana", ["memory", "run"]), None);
        assert_eq!(nearest("", ["memory", "run"]), None);
        assert_eq!(nearest(&"x".repeat(1000), ["memory"]), None);
    }

    #[test]
    fn distances_are_those_counted_by_hand() {
        for (left, right, expected) in
            [("", "", 0), ("a", "", 1), ("ab", "ba", 1), ("kitten", "sitting", 3), ("abc", "ca", 3)]
        {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }
}
