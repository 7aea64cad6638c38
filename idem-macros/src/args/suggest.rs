//! "Did you mean …?"

/// What to say about an option that does not exist.
pub(super) fn unknown(option: &str, options: &[&str]) -> String {
    let nearest = options.iter().map(|known| (distance(option, known), known)).min();
    match nearest {
        Some((distance, known)) if distance <= 2 => format!("unknown option `{option}`: did you mean `{known}`?"),
        _ => format!("unknown option `{option}`: the options are {}", options.join(", ")),
    }
}

/// The Levenshtein distance.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(other.chars()) {
            let here = (*cell + 1).min(left + 1).min(diagonal + usize::from(a != b));
            diagonal = std::mem::replace(cell, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("key", "key"), 0);
        assert_eq!(distance("ket", "key"), 1);
        assert_eq!(distance("tll", "ttl"), 1);
        assert_eq!(distance("", "ttl"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn the_nearest_option_is_suggested() {
        assert_eq!(unknown("leese", &["key", "lease"]), "unknown option `leese`: did you mean `lease`?");
        assert_eq!(unknown("retries", &["key", "lease"]), "unknown option `retries`: the options are key, lease");
    }
}
