//! A reader of JSON (RFC 8259).

use std::str::Chars;

/// The deepest nesting of arrays and objects.
const DEEPEST: u32 = 32;

/// The most values: 20 for each of 200,000 channels. Each takes some 100 bytes of memory at most,
/// however few characters it has.
const MOST_VALUES: u32 = 4_000_000;

#[derive(Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    Array(Vec<Self>),
    /// In the order of the text.
    Object(Vec<(String, Self)>),
}

impl Json {
    /// Reads a text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Self::parse_limited(text, MOST_VALUES)
    }

    fn parse_limited(text: &str, most_values: u32) -> Result<Self, String> {
        let mut reader = Reader {
            rest: text.chars(),
            depth: 0,
            values_left: most_values,
        };
        let value = reader.value()?;
        match reader.next_token() {
            None => Ok(value),
            Some(c) => Err(unexpected(Some(c))),
        }
    }

    /// A member of an object.
    pub(super) fn get(&self, name: &str) -> &Self {
        match self {
            Self::Object(members) => {
                let found = members.iter().find(|(it, _)| it == name);
                found.map_or(&Self::Null, |(_, value)| value)
            }
            _ => &Self::Null,
        }
    }

    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    /// A number, or 0.
    pub(super) fn number(&self) -> f64 {
        match self {
            Self::Number(number) => *number,
            _ => 0.0,
        }
    }

    /// A text, or none.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }
}

fn unexpected(c: Option<char>) -> String {
    match c {
        Some(c) => format!("Unable to read a snapshot: unexpected {c:?}"),
        None => "Unable to read a snapshot: it ends too early".to_owned(),
    }
}

struct Reader<'a> {
    rest: Chars<'a>,
    depth: u32,
    values_left: u32,
}

impl Reader<'_> {
    fn next_token(&mut self) -> Option<char> {
        self.rest.find(|c| !matches!(c, ' ' | '\t' | '\n' | '\r'))
    }

    fn value(&mut self) -> Result<Json, String> {
        let first = self.next_token();
        self.value_of(first)
    }

    fn value_of(&mut self, first: Option<char>) -> Result<Json, String> {
        self.values_left = match self.values_left.checked_sub(1) {
            Some(left) => left,
            None => return Err("Unable to read a snapshot: it has too many values".to_owned()),
        };
        match first {
            Some('{') => self.nested(Self::object),
            Some('[') => self.nested(Self::array),
            Some('"') => Ok(Json::Text(self.text()?)),
            Some('n') => self.word("ull", Json::Null),
            Some('t') => self.word("rue", Json::Bool(true)),
            Some('f') => self.word("alse", Json::Bool(false)),
            Some(c @ ('-' | '0'..='9')) => self.number(c),
            c => Err(unexpected(c)),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json, String>) -> Result<Json, String> {
        if self.depth == DEEPEST {
            return Err("Unable to read a snapshot: it is nested too deeply".to_owned());
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn word(&mut self, rest: &str, value: Json) -> Result<Json, String> {
        match self.rest.as_str().strip_prefix(rest) {
            Some(after) => {
                self.rest = after.chars();
                Ok(value)
            }
            None => Err(unexpected(self.rest.next())),
        }
    }

    fn number(&mut self, first: char) -> Result<Json, String> {
        let mut text = String::from(first);
        let rest = self.rest.as_str();
        let is_part = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        text.push_str(&rest[..end]);
        self.rest = rest[end..].chars();
        text.parse()
            .map(Json::Number)
            .map_err(|_| unexpected(Some(first)))
    }

    fn array(&mut self) -> Result<Json, String> {
        let mut items = Vec::new();
        let mut first = self.next_token();
        if first == Some(']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value_of(first)?);
            match self.next_token() {
                Some(',') => first = self.next_token(),
                Some(']') => {
                    items.shrink_to_fit();
                    return Ok(Json::Array(items));
                }
                c => return Err(unexpected(c)),
            }
        }
    }

    fn object(&mut self) -> Result<Json, String> {
        let mut members = Vec::new();
        let mut first = self.next_token();
        if first == Some('}') {
            return Ok(Json::Object(members));
        }
        loop {
            if first != Some('"') {
                return Err(unexpected(first));
            }
            let name = self.text()?;
            match self.next_token() {
                Some(':') => members.push((name, self.value()?)),
                c => return Err(unexpected(c)),
            };
            match self.next_token() {
                Some(',') => first = self.next_token(),
                Some('}') => {
                    members.shrink_to_fit();
                    return Ok(Json::Object(members));
                }
                c => return Err(unexpected(c)),
            }
        }
    }

    /// Reads a text up to its end, without the quotation mark at its start.
    fn text(&mut self) -> Result<String, String> {
        let mut units = Vec::new();
        let mut text = String::new();
        loop {
            let c = self.rest.next();
            if !matches!(c, Some('\\')) || !self.rest.as_str().starts_with('u') {
                // Surrogates are pairs of escapes.
                text.push_str(&String::from_utf16_lossy(&units));
                units.clear();
            }
            match c {
                Some('"') => return Ok(text),
                Some('\\') => match self.rest.next() {
                    Some('u') => units.push(self.unit()?),
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some('b') => text.push('\u{8}'),
                    Some('f') => text.push('\u{c}'),
                    Some(c @ ('"' | '\\' | '/')) => text.push(c),
                    c => return Err(unexpected(c)),
                },
                Some(c) if c >= ' ' => text.push(c),
                c => return Err(unexpected(c)),
            }
        }
    }

    fn unit(&mut self) -> Result<u16, String> {
        let digits: String = self.rest.by_ref().take(4).collect();
        let is_hex = digits.len() == 4 && digits.chars().all(|c| c.is_ascii_hexdigit());
        let unit = u16::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
        unit.ok_or_else(|| unexpected(digits.chars().next()))
    }
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn values_of_all_kinds_are_read() {
        let text = r#" {"a":[1,-2.5e1,true,false,null,{}],"b":"x\u001b\ud83d\ude00\"\n","c":[]} "#;
        let json = Json::parse(text).expect("valid");
        let numbers: Vec<f64> = json.get("a").items().iter().map(Json::number).collect();
        assert_eq!(numbers, [1.0, -25.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(json.get("b").text(), "x\u{1b}😀\"\n");
        assert_eq!(json.get("c").items(), []);
        assert_eq!(*json.get("d"), Json::Null);
    }

    #[test]
    fn malformed_texts_are_errors() {
        let deep = "[".repeat(100_000);
        let malformed = [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "\"\\u12\"",
            "\"\\x\"",
            "nul",
            "1 2",
            "\"a",
            "\"\n\"",
            "--1",
            &deep,
        ];
        for text in malformed {
            let error = Json::parse(text).expect_err("malformed");
            assert!(error.starts_with("Unable to read a snapshot: "), "{error}");
        }
        // The array is a value as well.
        let error = Json::parse_limited("[1,{},[]]", 3).expect_err("too many");
        assert_eq!(error, "Unable to read a snapshot: it has too many values");
        Json::parse_limited("[1,{},[]]", 4).expect("as many as there may be");
        // Half a pair of surrogates is replaced.
        assert_eq!(
            Json::parse("\"\\ud83d\"").expect("valid").text(),
            "\u{fffd}"
        );
    }
}
