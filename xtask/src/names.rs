//! Spelling: from the models' names to Rust's, and from a misspelt name to the one that was meant.

/// Names that a generated type may not take, because generated code uses them for something else.
const TAKEN: &[&str] = &[
    "BTreeMap",
    "Box",
    "Bytes",
    "Default",
    "Document",
    "Err",
    "Error",
    "Fault",
    "None",
    "Ok",
    "OpMeta",
    "Operation",
    "OperationModel",
    "Option",
    "Result",
    "Schema",
    "Secret",
    "Self",
    "ServiceMeta",
    "Shape",
    "Some",
    "StoreError",
    "String",
    "Timestamp",
    "Value",
    "Vec",
];

const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait",
    "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// `KMSKeyId` → `kms key id`, `CallbackURLs` → `callback urls`, `AllowedOAuthFlows` → `allowed oauth flows`.
fn words(name: &str) -> Vec<String> {
    let name =
        name.replace("OAuth", "Oauth").replace("URLs", "Urls").replace("ARNs", "Arns").replace("IDs", "Ids");
    let chars: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for (index, &c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|at| chars.get(at)).copied().unwrap_or('_');
        let after = chars.get(index + 1).copied().unwrap_or('_');
        let starts = c.is_ascii_uppercase() && (!before.is_ascii_uppercase() || after.is_ascii_lowercase());
        if (starts || !c.is_ascii_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// `UserPoolId` → `user_pool_id`.
pub(crate) fn snake(name: &str) -> String {
    words(name).join("_")
}

/// `UserPoolId` → `USER_POOL_ID`.
pub(crate) fn screaming(name: &str) -> String {
    snake(name).to_uppercase()
}

/// A field or function name: snake case, raw when it is a keyword.
pub(crate) fn identifier(name: &str) -> String {
    let name = snake(name);
    match name.as_str() {
        "self" | "super" | "crate" => format!("{name}_"),
        keyword if KEYWORDS.contains(&keyword) => format!("r#{keyword}"),
        _ => name,
    }
}

/// A type's name: the model's, with a capital, and out of the way of names that generated code needs.
pub(crate) fn type_name(name: &str) -> String {
    let name = capital(&name.replace(|c: char| !c.is_ascii_alphanumeric(), ""));
    if TAKEN.contains(&name.as_str()) { format!("{name}Shape") } else { name }
}

/// A variant's name for a value of an enum: `ALLOW_USER_SRP_AUTH` → `AllowUserSrpAuth`, `python3.12` → `Python3_12`.
pub(crate) fn variant(value: &str) -> String {
    let mut out = String::new();
    for part in value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        let shouted = !part.chars().any(|c| c.is_ascii_lowercase());
        let part = capital(&if shouted { part.to_ascii_lowercase() } else { part.to_owned() });
        if out.ends_with(|c: char| c.is_ascii_digit()) && part.starts_with(|c: char| c.is_ascii_digit()) {
            out.push('_');
        }
        out.push_str(&part);
    }
    match out.chars().next() {
        None => "Empty".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("V{out}"),
        Some(_) if out == "Self" => "SelfValue".to_owned(),
        Some(_) => out,
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The known name that is spelt most like `name`, unless none is close.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, found) = known.map(|each| (distance(name, each), each)).min()?;
    (distance * 3 <= name.len().max(3)).then_some(found)
}

/// How many characters must be put in, taken out or changed to get from one text to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((b, diagonal), above) in to.chars().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or(i + 1);
            next.push((diagonal + usize::from(a != b)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acronyms_are_one_word() {
        for (name, expected) in [
            ("UserPoolId", "user_pool_id"),
            ("KMSKeyId", "kms_key_id"),
            ("CallbackURLs", "callback_urls"),
            ("AllowedOAuthFlowsUserPoolClient", "allowed_oauth_flows_user_pool_client"),
            ("S3Bucket", "s3_bucket"),
            ("CodeSha256", "code_sha256"),
            ("AdminSetUserMFAPreference", "admin_set_user_mfa_preference"),
            ("DefaultRedirectURI", "default_redirect_uri"),
            ("SSEDescription", "sse_description"),
            ("L", "l"),
            ("NULL", "null"),
            ("BOOL", "bool"),
        ] {
            assert_eq!(snake(name), expected);
        }
        assert_eq!(identifier("type"), "r#type");
        assert_eq!(screaming("UserPoolId"), "USER_POOL_ID");
    }

    #[test]
    fn variants_read_like_rust() {
        for (value, expected) in [
            ("ALLOW_USER_SRP_AUTH", "AllowUserSrpAuth"),
            ("python3.12", "Python3_12"),
            ("provided.al2023", "ProvidedAl2023"),
            ("RequestResponse", "RequestResponse"),
            ("SELF", "SelfValue"),
            ("0.5", "V0_5"),
            ("", "Empty"),
        ] {
            assert_eq!(variant(value), expected);
        }
    }

    #[test]
    fn misspelt_names_find_the_one_that_was_meant() {
        let known = ["CreateUserPool", "CreateUserPoolClient", "DeleteUserPool"];
        assert_eq!(nearest("CreateUserPol", known.into_iter()), Some("CreateUserPool"));
        assert_eq!(nearest("Invoke", known.into_iter()), None);
    }
}
