//! Hashes that LWS puts into names and labels: FNV-1 with a safe alphabet for revisions, SHA-1 for group keys.
//!
//! What goes into a revision's hash is the business of `controller::revision`.

use sha1::{Digest, Sha1};
use std::fmt::Write;

/// Returns the 32-bit FNV-1 hash: multiply, then xor (Go's `fnv.New32`; FNV-1a would xor first).
pub fn fnv1_32(bytes: &[u8]) -> u32 {
    const OFFSET_BASIS: u32 = 2_166_136_261;
    const PRIME: u32 = 16_777_619;
    bytes.iter().fold(OFFSET_BASIS, |hash, byte| hash.wrapping_mul(PRIME) ^ u32::from(*byte))
}

/// Replaces characters of `text` by those of an alphabet without vowels and look-alikes (apimachinery 0.36 `rand.SafeEncodeString`).
pub fn safe_encode(text: &str) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    text.bytes().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).collect()
}

/// Returns the key of a revision with this data (LWS `hashRevision`).
pub fn revision_key(data: &str) -> String {
    safe_encode(&fnv1_32(data.as_bytes()).to_string())
}

/// Returns the SHA-1 of `text` in lower-case hexadecimal (LWS `Sha1Hash`).
pub fn sha1_hex(text: &str) -> String {
    let mut hex = String::with_capacity(40);
    for byte in Sha1::digest(text.as_bytes()) {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
    }
    hex
}

/// Returns the label value that all pods of a group share.
pub fn group_key(namespace: &str, leader_pod: &str) -> String {
    sha1_hex(&format!("{namespace}/{leader_pod}"))
}

/// Returns the label value that all pods of a subgroup share. The namespace plays no part.
pub fn subgroup_key(leader_pod: &str, subgroup_index: &str) -> String {
    sha1_hex(&format!("{leader_pod}/{subgroup_index}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_key_is_the_safely_encoded_fnv1_of_the_data() {
        for (data, key) in [("", "65bb57b6b5"), ("{}", "5894b84845"), ("hello", "74bfdbb787")] {
            assert_eq!(revision_key(data), key, "{data:?}");
        }
    }

    #[test]
    fn group_keys_hash_namespace_and_leader() {
        for (namespace, pod, key) in [
            ("serving", "chat-0", "3306321466251cbb679c1ab88d3d7ed9dc09598b"),
            ("default", "test-sample", "95e88034e460983f51a9952fe128729fbc0663b5"),
            ("default", "podName", "390b34ab671d29e9997d7d4252b8bbf8da02f5b7"),
            ("leaderworkerset", "test-sample", "39f5d7e9122b9d94d3932e3720b43fd3b56347e8"),
        ] {
            assert_eq!(group_key(namespace, pod), key);
        }
        assert_eq!(subgroup_key("moe-0", "0"), "f6d57eaa442d12f7b12d804e14a2dfe38ebda24d");
    }
}
