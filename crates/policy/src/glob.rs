//! Patterns with `*` and `?`, matched in time linear in the text: no backtracking, so no pattern can stall the engine.

/// One element of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Symbol<'a> {
    /// `*`: any text, also none.
    Star,
    /// `?`: exactly one character.
    Any,
    /// Itself.
    Text(&'a str),
}

/// A compiled pattern. Stars cut it into pieces: the first is anchored at the start, the last at the end, and those in
/// between are found one after the other, each as far left as possible.
#[derive(Debug, Clone)]
pub(crate) enum Glob {
    /// No star.
    Whole(Piece),
    /// At least one star.
    Cut {
        /// Before the first star.
        first: Piece,
        /// Between stars; no empty ones.
        middle: Vec<Piece>,
        /// After the last star.
        last: Piece,
    },
}

/// A part of a pattern without stars.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// No question mark.
    Text(Box<str>),
    /// At least one question mark.
    Masked(Masked),
}

/// Bit-parallel search for a piece with question marks: one shift per 64 pattern characters and text character.
#[derive(Debug, Clone)]
pub(crate) struct Masked {
    /// `None` is a question mark.
    symbols: Vec<Option<char>>,
    /// For each character of the piece, ordered, the positions it fits: words that are not zero, by their index. So all of it takes
    /// room in proportion to the piece, however many different characters that has.
    table: Vec<(char, Vec<(usize, u64)>)>,
    /// The positions of question marks.
    wild: Vec<u64>,
}

impl Glob {
    pub(crate) fn new<'a>(symbols: impl IntoIterator<Item = Symbol<'a>>) -> Self {
        let mut pieces = Vec::new();
        let mut building = Building::default();
        for symbol in symbols {
            match symbol {
                Symbol::Star => pieces.push(std::mem::take(&mut building).finish()),
                Symbol::Any => building.any(),
                Symbol::Text(text) => building.text(text),
            }
        }
        let last = building.finish();
        let mut pieces = pieces.into_iter();
        match pieces.next() {
            None => Self::Whole(last),
            Some(first) => {
                let middle = pieces.filter(|piece| !piece.is_empty()).collect();
                Self::Cut { first, middle, last }
            }
        }
    }

    /// Parses `*` and `?` in `text`.
    pub(crate) fn parse(text: &str) -> Self {
        Self::new(symbols(text))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Whole(piece) => piece.prefix(text) == Some(text.len()),
            Self::Cut { first, middle, last } => {
                let Some(rest) = first.prefix(text).and_then(|end| text.get(end..)) else { return false };
                let Some(mut rest) = last.suffix(rest).and_then(|start| rest.get(..start)) else {
                    return false;
                };
                for piece in middle {
                    match piece.find(rest).and_then(|end| rest.get(end..)) {
                        Some(after) => rest = after,
                        None => return false,
                    }
                }
                true
            }
        }
    }

    /// What every matching text starts with; not the longest such text if it is followed by a question mark.
    pub(crate) fn literal_start(&self) -> &str {
        match self {
            Self::Whole(Piece::Text(text)) | Self::Cut { first: Piece::Text(text), .. } => text,
            Self::Whole(Piece::Masked(_)) | Self::Cut { first: Piece::Masked(_), .. } => "",
        }
    }

    /// The text, if the pattern has no wildcards.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self {
            Self::Whole(Piece::Text(text)) => Some(text),
            Self::Whole(Piece::Masked(_)) | Self::Cut { .. } => None,
        }
    }
}

/// Cuts a text at its wildcards.
pub(crate) fn symbols(text: &str) -> impl Iterator<Item = Symbol<'_>> {
    text.split_inclusive(['*', '?']).flat_map(|part| {
        let (text, wildcard) = match part.chars().next_back() {
            Some('*') => (part.strip_suffix('*'), Some(Symbol::Star)),
            Some('?') => (part.strip_suffix('?'), Some(Symbol::Any)),
            _ => (Some(part), None),
        };
        text.filter(|text| !text.is_empty()).map(Symbol::Text).into_iter().chain(wildcard)
    })
}

#[derive(Default)]
struct Building {
    text: String,
    masked: Option<Vec<Option<char>>>,
}

impl Building {
    fn text(&mut self, text: &str) {
        match &mut self.masked {
            Some(symbols) => symbols.extend(text.chars().map(Some)),
            None => self.text.push_str(text),
        }
    }

    fn any(&mut self) {
        let symbols = self.masked.get_or_insert_with(|| self.text.chars().map(Some).collect());
        symbols.push(None);
    }

    fn finish(self) -> Piece {
        match self.masked {
            None => Piece::Text(self.text.into_boxed_str()),
            Some(symbols) => Piece::Masked(Masked::new(symbols)),
        }
    }
}

impl Piece {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    /// Where the piece ends, if `text` starts with it.
    fn prefix(&self, text: &str) -> Option<usize> {
        match self {
            Self::Text(piece) => text.starts_with(&**piece).then_some(piece.len()),
            Self::Masked(masked) => masked.prefix(text),
        }
    }

    /// Where the piece starts, if `text` ends with it.
    fn suffix(&self, text: &str) -> Option<usize> {
        match self {
            Self::Text(piece) => text.ends_with(&**piece).then(|| text.len().saturating_sub(piece.len())),
            Self::Masked(masked) => masked.suffix(text),
        }
    }

    /// The end of the leftmost occurrence.
    fn find(&self, text: &str) -> Option<usize> {
        match self {
            // The standard library's search is linear in the worst case (Two-Way).
            Self::Text(piece) => text.find(&**piece).map(|start| start.saturating_add(piece.len())),
            Self::Masked(masked) => masked.find(text),
        }
    }
}

impl Masked {
    fn new(symbols: Vec<Option<char>>) -> Self {
        let words = symbols.len().div_ceil(64);
        let mut wild = vec![0_u64; words];
        let mut table: std::collections::BTreeMap<char, Vec<(usize, u64)>> =
            std::collections::BTreeMap::new();
        for (at, symbol) in symbols.iter().enumerate() {
            let bit = 1 << (at % 64);
            match symbol {
                None => {
                    if let Some(word) = wild.get_mut(at / 64) {
                        *word |= bit;
                    }
                }
                Some(c) => {
                    let words = table.entry(*c).or_default();
                    match words.last_mut() {
                        Some((index, word)) if *index == at / 64 => *word |= bit,
                        _ => words.push((at / 64, bit)),
                    }
                }
            }
        }
        Self { symbols, table: table.into_iter().collect(), wild }
    }

    fn fits(symbol: Option<char>, c: char) -> bool {
        symbol.is_none_or(|wanted| wanted == c)
    }

    fn prefix(&self, text: &str) -> Option<usize> {
        let mut chars = text.char_indices();
        for symbol in &self.symbols {
            let (_, c) = chars.next()?;
            if !Self::fits(*symbol, c) {
                return None;
            }
        }
        Some(chars.offset())
    }

    fn suffix(&self, text: &str) -> Option<usize> {
        let mut chars = text.char_indices();
        let mut start = text.len();
        for symbol in self.symbols.iter().rev() {
            let (at, c) = chars.next_back()?;
            if !Self::fits(*symbol, c) {
                return None;
            }
            start = at;
        }
        Some(start)
    }

    fn find(&self, text: &str) -> Option<usize> {
        let last = self.symbols.len().saturating_sub(1);
        let mut short = [0_u64; 2];
        let mut long = Vec::new();
        let state = if let Some(state) = short.get_mut(..self.wild.len()) {
            state
        } else {
            long.resize(self.wild.len(), 0_u64);
            long.as_mut_slice()
        };
        for (at, c) in text.char_indices() {
            let found = self.table.binary_search_by_key(&c, |(c, _)| *c).ok();
            let mut fits = found.and_then(|at| self.table.get(at)).map_or(&[][..], |(_, words)| words).iter();
            let mut next = fits.next();
            // A new match may start at every character.
            let mut carry = 1_u64;
            for (index, word) in state.iter_mut().enumerate() {
                let wild = self.wild.get(index).copied().unwrap_or(0);
                let mut here = 0;
                if let Some((_, bits)) = next.filter(|(at, _)| *at == index) {
                    (here, next) = (*bits, fits.next());
                }
                let next_carry = *word >> 63;
                *word = (*word << 1 | carry) & (wild | here);
                carry = next_carry;
            }
            if state.get(last / 64).is_some_and(|word| word >> (last % 64) & 1 == 1) {
                return at.checked_add(c.len_utf8());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn many_different_characters_beside_question_marks_take_room_in_proportion() {
        let characters = |count: u32| (0..count).filter_map(|at| char::from_u32(0x4e00 + at)).map(Some);
        for count in [100, 20_000] {
            let symbols: Vec<_> = characters(count).chain([None]).chain(characters(count)).collect();
            let masked = super::Masked::new(symbols);
            let words: usize = masked.table.iter().map(|(_, words)| words.len()).sum();
            assert!(words <= 2 * count as usize && masked.wild.len() <= count as usize, "{words}");
            let text: String =
                characters(count).chain([Some('x')]).chain(characters(count)).flatten().collect();
            assert_eq!(masked.find(&format!("before{text}after")), Some("before".len() + text.len()));
            assert_eq!(masked.find(&text.replacen('x', "xx", 1)), None);
        }
    }

    use super::*;

    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some('*'), _) => naive(&pattern[1..], text) || (!text.is_empty() && naive(pattern, &text[1..])),
            (Some('?'), Some(_)) => naive(&pattern[1..], &text[1..]),
            (Some(p), Some(t)) => p == t && naive(&pattern[1..], &text[1..]),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    #[test]
    fn agrees_with_the_definition_on_all_short_patterns_and_texts() {
        let words = |alphabet: &[char], length: u32| {
            let mut all: Vec<String> = vec![String::new()];
            let mut from = 0;
            for _ in 0..length {
                let to = all.len();
                for at in from..to {
                    for c in alphabet {
                        all.push(format!("{}{c}", all[at]));
                    }
                }
                from = to;
            }
            all
        };
        let texts = words(&['a', 'é'], 5);
        for pattern in words(&['a', 'é', '*', '?'], 5) {
            let glob = Glob::parse(&pattern);
            let symbols: Vec<char> = pattern.chars().collect();
            for text in &texts {
                let expected = naive(&symbols, &text.chars().collect::<Vec<_>>());
                assert_eq!(glob.matches(text), expected, "{pattern:?} on {text:?}");
            }
        }
    }

    #[test]
    fn long_pieces_with_question_marks_match_across_word_borders() {
        let piece = format!("{}?{}", "a".repeat(100), "b".repeat(100));
        let glob = Glob::parse(&format!("*{piece}*"));
        let text = format!("{}{}x{}tail", "a".repeat(50), "a".repeat(100), "b".repeat(100));
        assert!(glob.matches(&text));
        assert!(!glob.matches(&format!("{}{}tail", "a".repeat(100), "b".repeat(100))));
    }

    #[test]
    fn the_classic_exponential_pattern_ends_at_once() {
        let glob = Glob::parse(&format!("{}b", "a*".repeat(500)));
        assert!(!glob.matches(&"a".repeat(100_000)));
        let masked = Glob::parse(&format!("*{}c*", "?a".repeat(500)));
        assert!(!masked.matches(&"a".repeat(100_000)));
    }
}
