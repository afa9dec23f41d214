//! The keys of a state store, and the form of what is stored: the base64 of a random nonce, the
//! text that AES-GCM makes of the value, and its tag; then `||` and the name of the key.

use std::fmt;

use aes_gcm::aead::Generate as _;
use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes192;
use aes_gcm::{AeadInOut, Aes128Gcm, Aes256Gcm, AesGcm, KeyInit, Nonce, Tag};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use data_encoding::HEXLOWER_PERMISSIVE;
use replug_component::Error;

use super::{PRIMARY, SECONDARY};
use crate::key_prefix::SEPARATOR;

/// How many random bytes stand before each value.
const NONCE: usize = 12;

/// How many bytes behind each value tell whether it is as it was stored.
const TAG: usize = 16;

/// As lenient as Dapr's with the bits that the last letter leaves over.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Why a text is no key. None of these tells any of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadKey {
    #[error("`{0}` is no key: write its bytes in hexadecimal")]
    NotHex(&'static str),
    #[error("`{0}` is no key: it has {1} bytes, and has to have 16, 24 or 32")]
    Size(&'static str, usize),
}

/// What the values of one state store are encrypted with, and decrypted. `Debug` tells their names.
pub(crate) struct Keys {
    primary: Key,
    secondary: Option<Key>,
}

struct Key {
    /// What the secret is called; a part of each value.
    name: Box<str>,
    cipher: Cipher,
}

enum Cipher {
    Aes128(Box<Aes128Gcm>),
    Aes192(Box<AesGcm<Aes192, U12>>),
    Aes256(Box<Aes256Gcm>),
}

// === impl Keys ===

impl Keys {
    /// The keys of these names and texts.
    pub(crate) fn new(
        primary: (&str, &str),
        secondary: Option<(&str, &str)>,
    ) -> Result<Self, BadKey> {
        let secondary =
            secondary.map(|(name, text)| Key::new(SECONDARY, name, text)).transpose()?;
        Ok(Self { primary: Key::new(PRIMARY, primary.0, primary.1)?, secondary })
    }

    /// What new values are encrypted with.
    pub(crate) fn primary(&self) -> &str {
        &self.primary.name
    }

    /// The value as it is stored.
    pub(crate) fn seal(&self, value: &[u8]) -> Result<Bytes, Error> {
        let Key { name, cipher } = &self.primary;
        let random = |error| Error::Failed(format!("no random numbers: {error}"));
        let nonce = Nonce::<U12>::try_generate().map_err(random)?;
        let mut sealed = Vec::with_capacity(NONCE + value.len() + TAG);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(value);
        let tag = cipher.seal(&nonce, &mut sealed[NONCE..])?;
        sealed.extend_from_slice(&tag);

        let end = SEPARATOR.len() + name.len();
        let mut text = String::with_capacity(sealed.len().div_ceil(3) * 4 + end);
        BASE64.encode_string(&sealed, &mut text);
        text.push_str(SEPARATOR);
        text.push_str(name);
        Ok(text.into())
    }

    /// The value that was stored so in the state store `store`. What is empty is.
    pub(crate) fn open(&self, stored: &[u8], store: &str) -> Result<Bytes, Error> {
        if stored.is_empty() {
            return Ok(Bytes::new());
        }
        let separator = SEPARATOR.as_bytes();
        let at = stored.windows(separator.len()).rposition(|window| window == separator);
        let Some((text, name)) = at.map(|at| (&stored[..at], &stored[at + separator.len()..]))
        else {
            return Err(Error::Failed("the value is not encrypted".to_owned()));
        };
        if name.is_empty() {
            return Err(Error::Failed(format!(
                "could not decrypt data for state store {store}: encryption key name not found on \
                 record"
            )));
        }
        let keys = std::iter::once(&self.primary).chain(&self.secondary);
        let mut named = keys.filter(|key| key.name.as_bytes() == name).peekable();
        if named.peek().is_none() {
            let name = String::from_utf8_lossy(name);
            return Err(Error::Failed(format!(
                "the value is encrypted with the key `{name}`, which the component does not have"
            )));
        }
        let sealed = BASE64
            .decode(text)
            .map_err(|error| Error::Failed(format!("the value is not encrypted: {error}")))?;
        // Two keys of one secret have one name.
        let opened = named.find_map(|key| key.cipher.open(&sealed));
        opened.map(Bytes::from).ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            Error::Failed(format!("the value was changed, or is of another key `{name}`"))
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secondary = self.secondary.as_ref().map(|key| &key.name);
        f.debug_struct("Keys")
            .field("primary", &self.primary.name)
            .field("secondary", &secondary)
            .finish_non_exhaustive()
    }
}

// === impl Key ===

impl Key {
    fn new(field: &'static str, name: &str, text: &str) -> Result<Self, BadKey> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        let bytes = bytes.map_err(|_| BadKey::NotHex(field))?;
        let cipher = Cipher::new(&bytes).ok_or(BadKey::Size(field, bytes.len()))?;
        Ok(Self { name: name.into(), cipher })
    }
}

// === impl Cipher ===

impl Cipher {
    fn new(key: &[u8]) -> Option<Self> {
        Some(match key.len() {
            16 => Self::Aes128(Box::new(Aes128Gcm::new_from_slice(key).ok()?)),
            24 => Self::Aes192(Box::new(AesGcm::new_from_slice(key).ok()?)),
            32 => Self::Aes256(Box::new(Aes256Gcm::new_from_slice(key).ok()?)),
            _ => return None,
        })
    }

    /// Encrypts in place, and gives the tag.
    fn seal(&self, nonce: &Nonce<U12>, value: &mut [u8]) -> Result<Tag, Error> {
        let value = value.into();
        let tag = match self {
            Self::Aes128(cipher) => cipher.encrypt_inout_detached(nonce, &[], value),
            Self::Aes192(cipher) => cipher.encrypt_inout_detached(nonce, &[], value),
            Self::Aes256(cipher) => cipher.encrypt_inout_detached(nonce, &[], value),
        };
        tag.map_err(|_| Error::Failed("the value is too long to be encrypted".to_owned()))
    }

    /// What a nonce, the encrypted value and its tag come to; none where they do not belong together,
    /// or are of another key.
    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE)?;
        let (value, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
        let (nonce, tag) = (nonce.try_into().ok()?, tag.try_into().ok()?);
        let mut value = value.to_vec();
        let buffer = value.as_mut_slice().into();
        let opened = match self {
            Self::Aes128(cipher) => cipher.decrypt_inout_detached(nonce, &[], buffer, tag),
            Self::Aes192(cipher) => cipher.decrypt_inout_detached(nonce, &[], buffer, tag),
            Self::Aes256(cipher) => cipher.decrypt_inout_detached(nonce, &[], buffer, tag),
        };
        opened.ok().map(|()| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const K16: &str = "000102030405060708090a0b0c0d0e0f";
    const K24: &str = "000102030405060708090a0b0c0d0e0f1011121314151617";
    const K32: &str = "000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f";

    fn keys(primary: (&str, &str), secondary: Option<(&str, &str)>) -> Keys {
        Keys::new(primary, secondary).unwrap()
    }

    fn opened(keys: &Keys, stored: impl AsRef<[u8]>) -> Result<String, String> {
        let opened = keys.open(stored.as_ref(), "orders").map_err(|error| error.to_string())?;
        Ok(String::from_utf8(opened.into()).unwrap())
    }

    /// Written by daprd 1.18, with keys of each size.
    #[test]
    fn what_daprd_has_stored_is_read() {
        let stored = [
            (
                "k16",
                K16,
                "fj/zM8omE8a0GRJ+2P/b8UGlHUU/LGB3QezXzBIVnymhlwf89U8q||k16",
                "word of k16",
            ),
            ("k16", K16, "ufftlMD5s54V4VSY+2K6ByH9dKpB8iRy/lkfLQ==||k16", ""),
            (
                "k24",
                K24,
                "vL02k1y9jE9M55dRDk1VFY+7HUrK9bUTR2GwMvABQVjEMbRZUzEN||k24",
                "word of k24",
            ),
            ("k24", K24, "5Wwgr4YWDEn5LCy4kXXJsdHTyO/eXYlJgmAlLQ==||k24", ""),
            (
                "k32",
                K32,
                "BkRpPvQJ69m04Q9iwcrbrcN5xlN5TBazcZmOZhbL1HOM6fZioziS||k32",
                "word of k32",
            ),
            ("k32", K32, "Otud04I+s7YIxhqQbVgDrAHw/NoIMu0P6hHbiA==||k32", ""),
        ];
        for (name, key, stored, value) in stored {
            assert_eq!(opened(&keys((name, key), None), stored).as_deref(), Ok(value), "{name}");
        }
    }

    #[test]
    fn what_is_stored_is_read_with_its_own_key_whichever_it_is_now() {
        for (name, key) in [("k16", K16), ("k24", K24), ("k32", K32)] {
            let old = keys((name, key), None);
            for value in ["", "a word", "a||b"] {
                let stored = old.seal(value.as_bytes()).unwrap();
                assert!(stored.ends_with(format!("||{name}").as_bytes()));
                assert_ne!(stored, old.seal(value.as_bytes()).unwrap(), "a nonce is used once");
                assert_eq!(opened(&old, &stored).as_deref(), Ok(value));
                let rotated = keys(("new", K16), Some((name, key)));
                assert_eq!(opened(&rotated, &stored).as_deref(), Ok(value));
                assert!(rotated.seal(b"").unwrap().ends_with(b"||new"));
            }
        }
        // Two keys that one secret keeps.
        let stored = keys(("both", K24), None).seal(b"a word").unwrap();
        let rotated = keys(("both", K32), Some(("both", K24)));
        assert_eq!(opened(&rotated, stored).as_deref(), Ok("a word"));
    }

    #[test]
    fn what_cannot_be_decrypted_is_told_and_never_given_as_it_is() {
        let own = keys(("k16", K16), None);
        let error = |stored: &[u8]| opened(&own, stored).unwrap_err();
        assert_eq!(opened(&own, "").as_deref(), Ok(""));
        assert_eq!(error(b"clear"), "the value is not encrypted");
        assert_eq!(
            error(b"clear||"),
            "could not decrypt data for state store orders: encryption key name not found on record"
        );
        assert!(error(b"clear!||k16").starts_with("the value is not encrypted: "));
        let foreign = keys(("other", K16), None).seal(b"a word").unwrap();
        assert_eq!(
            error(&foreign),
            "the value is encrypted with the key `other`, which the component does not have"
        );
        let changed = "the value was changed, or is of another key `k16`";
        assert_eq!(error(&keys(("k16", K32), None).seal(b"a word").unwrap()), changed);
        assert_eq!(error(b"||k16"), changed);
        assert_eq!(error(b"AAAA||k16"), changed);
        let mut stored = own.seal(b"a word").unwrap().to_vec();
        stored[20] = if stored[20] == b'A' { b'B' } else { b'A' };
        assert_eq!(error(&stored), changed);
    }

    #[test]
    fn a_key_is_of_three_sizes_in_hexadecimal_and_shown_by_nothing() {
        let told = |text: &str| Keys::new(("k", text), None).unwrap_err().to_string();
        let not_hex = "`primaryEncryptionKey` is no key: write its bytes in hexadecimal";
        for text in ["zz", "0", "+f", "000102030405060708090a0b0c0d0e0é"] {
            assert_eq!(told(text), not_hex);
        }
        let size = |size| {
            format!(
                "`primaryEncryptionKey` is no key: it has {size} bytes, and has to have 16, 24 or 32"
            )
        };
        assert_eq!(told(""), size(0));
        assert_eq!(told(&K16[2..]), size(15));
        let secondary = Keys::new(("k", K16), Some(("old", "xy"))).unwrap_err().to_string();
        assert!(secondary.starts_with("`secondaryEncryptionKey` is no key"));
        let shown = format!("{:?}", keys(("k16", K16), Some(("k32", K32))));
        assert_eq!(shown, r#"Keys { primary: "k16", secondary: Some("k32"), .. }"#);
    }
}
