//! The secrets of signing in: tokens and one-time codes, and their hashes.
//!
//! Only hashes are ever stored. `web` makes tokens and checks codes; `worker`
//! makes the codes that it mails.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Digits of a one-time code: 26 bits, and five tries to guess them.
pub const CODE_DIGITS: u32 = 8;

/// A fresh one-time code of [`CODE_DIGITS`] digits, each equally likely.
#[must_use]
pub fn new_code() -> String {
    let range = 10_u32.pow(CODE_DIGITS);
    // Numbers above the last whole multiple would favour small codes.
    let fair = u32::MAX - u32::MAX % range;
    loop {
        let number = u32::from_le_bytes(random());
        if number < fair {
            return format!("{:0width$}", number % range, width = CODE_DIGITS as usize);
        }
    }
}

/// What is kept of a code: it is bound to the request that asked for it.
/// Spaces and hyphens that a person typed do not matter.
#[must_use]
pub fn code_hash(request: Uuid, code: &str) -> String {
    let typed: String = code.chars().filter(|c| !" -\t".contains(*c)).collect();
    let mut state = Sha256::new();
    state.update(request.as_bytes());
    state.update(typed.as_bytes());
    hex(&state.finalize())
}

/// A fresh token of 256 bits: of a session, a sign-in link, or the API.
#[must_use]
pub fn token() -> String {
    hex(&random::<32>())
}

/// What is kept of a token.
#[must_use]
pub fn token_hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// Bytes from the system's generator.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_digits_alone_and_hashes_the_same_however_it_is_typed() {
        let (request, code) = (Uuid::now_v7(), new_code());
        assert_eq!(code.len(), CODE_DIGITS as usize);
        assert!(code.chars().all(|c| c.is_ascii_digit()), "{code}");
        let typed = format!(" {} - {} ", &code[..4], &code[4..]);
        assert_eq!(code_hash(request, &code), code_hash(request, &typed));
    }

    #[test]
    fn a_code_is_worth_nothing_for_another_request() {
        assert_ne!(
            code_hash(Uuid::from_u128(1), "12345678"),
            code_hash(Uuid::from_u128(2), "12345678")
        );
    }

    #[test]
    fn tokens_are_256_bits_and_differ() {
        assert_eq!(token().len(), 64);
        assert_ne!(token(), token());
        assert_ne!(token_hash("a"), token_hash("b"));
    }
}
