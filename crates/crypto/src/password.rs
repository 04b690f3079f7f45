//! Password hashes: argon2id (RFC 9106) at the parameters that OWASP recommends, kept as PHC strings.

use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, PasswordHash, Version};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use zeroize::Zeroizing;

use crate::{random, sealed};

/// Hashes and checks passwords in working memory that it owns and reuses.
///
/// One per thread: the memory is 19 MiB, and allocating it anew for each password costs more than it seems.
pub struct Hasher {
    memory: Vec<Block>,
}

impl Hasher {
    /// A hasher with its working memory.
    pub fn new() -> Self {
        let mut memory = Vec::with_capacity(RESERVED);
        memory.resize(CURRENT.block_count(), Block::new());
        Self { memory }
    }

    /// The PHC string of `password` under a new salt and today's parameters.
    pub fn hash(&mut self, password: &[u8]) -> String {
        let salt = random::bytes::<SALT>();
        let output = self.derive(&CURRENT, password, &salt, OUTPUT);
        format!(
            "$argon2id$v=19$m={},t={},p={}${}${}",
            CURRENT.m_cost(),
            CURRENT.t_cost(),
            CURRENT.p_cost(),
            STANDARD_NO_PAD.encode(salt),
            STANDARD_NO_PAD.encode(output.as_slice())
        )
    }

    /// Whether `password` is the one that `hash` was made of.
    ///
    /// `None`, and a hash that cannot be read, cost what a real hash costs and are never right: an unknown
    /// user must not be answered quicker.
    pub fn verify(&mut self, password: &[u8], hash: Option<&str>) -> bool {
        let Some(stored) = hash.and_then(Stored::parse) else {
            self.derive(&CURRENT, password, &[0; SALT], OUTPUT);
            return false;
        };
        let salt = stored.salt.as_slice();
        let output = self.derive(&stored.params, password, salt, stored.output.len());
        sealed::equal(&output, &stored.output)
    }

    fn derive(
        &mut self,
        params: &Params,
        password: &[u8],
        salt: &[u8],
        length: usize,
    ) -> Zeroizing<Vec<u8>> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let mut output = Zeroizing::new(vec![0; length]);
        // An imported hash may need more memory than ours; it is given back at once.
        let mut larger = Vec::new();
        let memory = if params.block_count() <= self.memory.len() {
            &mut self.memory
        } else {
            larger.resize(params.block_count(), Block::new());
            &mut larger
        };
        argon2
            .hash_password_into_with_memory(password, salt, &mut output, memory)
            .expect(
                "salt, output and memory have lengths that argon2 takes, and no password has 4 GiB",
            );
        output
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether `hash` was made with today's parameters; if not, hash the password anew when it is next known.
pub fn is_current(hash: &str) -> bool {
    Stored::parse(hash).is_some_and(|stored| {
        stored.params.m_cost() == CURRENT.m_cost()
            && stored.params.t_cost() == CURRENT.t_cost()
            && stored.params.p_cost() == CURRENT.p_cost()
            && stored.salt.len() == SALT
            && stored.output.len() == OUTPUT
    })
}

/// OWASP Password Storage Cheat Sheet: m = 19 MiB, t = 2, p = 1.
const CURRENT: Params = match Params::new(19_456, 2, 1, None) {
    Ok(params) => params,
    Err(_) => panic!("these are valid argon2 parameters"),
};
/// Blocks of address space that a hasher reserves, 33 MiB; it touches only what it uses. From 32 MiB on,
/// glibc always gives memory back to the system when it is freed.
const RESERVED: usize = 33 * 1024;
const SALT: usize = 16;
const OUTPUT: usize = 32;

/// What a stored hash may ask of us at most, so that an imported one cannot exhaust the machine.
const MOST_MEMORY: u32 = 128 * 1024;
const MOST_PASSES: u32 = 10;
const MOST_LANES: u32 = 16;

struct Stored {
    params: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Stored {
    fn parse(hash: &str) -> Option<Self> {
        let phc = PasswordHash::new(hash).ok()?;
        let params = Params::try_from(&phc).ok()?;
        let readable = phc.algorithm == ARGON2ID_IDENT
            && phc.version == Some(Version::V0x13.into())
            && params.m_cost() <= MOST_MEMORY
            && params.t_cost() <= MOST_PASSES
            && params.p_cost() <= MOST_LANES
            && params.keyid().is_empty()
            && params.data().is_empty();
        let (salt, output) = (phc.salt?, phc.hash?);
        readable.then(|| Self {
            params,
            salt: salt.to_vec(),
            output: output.as_bytes().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_right_and_every_other_is_wrong() {
        let mut hasher = Hasher::new();
        let hash = hasher.hash("pässwörd".as_bytes());
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(hasher.verify("pässwörd".as_bytes(), Some(&hash)));
        for wrong in ["", "password", "pässwörd ", "pässwörd\0"] {
            assert!(!hasher.verify(wrong.as_bytes(), Some(&hash)), "{wrong:?}");
        }
        assert_ne!(
            hash,
            hasher.hash("pässwörd".as_bytes()),
            "each hash has its own salt"
        );
    }

    #[test]
    fn memory_that_was_used_before_does_not_change_the_answer() {
        let mut used = Hasher::new();
        used.hash(b"somebody else");
        let hash = Hasher::new().hash(b"secret");
        assert!(used.verify(b"secret", Some(&hash)));
        let hash = used.hash(b"secret");
        assert!(Hasher::new().verify(b"secret", Some(&hash)));
    }

    #[test]
    fn a_password_of_a_mebibyte_and_the_empty_one_are_passwords() {
        let mut hasher = Hasher::new();
        for password in [vec![], vec![b'x'; 1 << 20]] {
            let hash = hasher.hash(&password);
            assert!(hasher.verify(&password, Some(&hash)));
        }
    }

    #[test]
    fn hashes_of_other_parameters_verify_and_are_not_current() {
        let mut hasher = Hasher::new();
        for hash in OTHERS {
            assert!(hasher.verify(b"password", Some(hash)), "{hash}");
            assert!(!hasher.verify(b"Password", Some(hash)), "{hash}");
            assert!(!is_current(hash), "{hash}");
        }
        assert!(is_current(&hasher.hash(b"password")));
        assert!(!is_current("") && !is_current("$argon2id$"));
    }

    #[test]
    fn what_is_not_a_reasonable_argon2id_hash_is_never_right_and_costs_the_same() {
        let mut hasher = Hasher::new();
        let real = hasher.hash(b"secret");
        let tail = &real["$argon2id$v=19$m=19456,t=2,p=1".len()..];
        let bad = [
            String::new(),
            "secret".into(),
            "$2y$10$abcdefghijklmnopqrstuuJ0y0hTzOXFnQ9nXQYVLpKfRXvyYcUhK".into(),
            real.replace("argon2id", "argon2i"),
            real.replace("v=19", "v=16"),
            real.replace("$v=19", ""),
            real[..real.len() - 44].to_string(),
            format!("$argon2id$v=19$m=4294967295,t=2,p=1{tail}"),
            format!("$argon2id$v=19$m=19456,t=4294967295,p=1{tail}"),
            format!("$argon2id$v=19$m=19456,t=2,p=16777215{tail}"),
            format!("$argon2id$v=19$m=0,t=0,p=0{tail}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1,keyid=AAAA{tail}"),
            format!("$argon2id$v=19$m=19456,t=2,p=1,data=AAAA{tail}"),
            format!("{real}\n"),
            format!("{real}\0"),
            "$".repeat(100_000),
        ];
        for hash in bad.iter().map(|hash| Some(hash.as_str())).chain([None]) {
            hasher.memory.fill(Block::new());
            assert!(!hasher.verify(b"secret", hash), "{hash:?}");
            // Memory filled from end to end is the cost, and unlike a stopwatch it is the same on a busy machine.
            let is_used = |block: &Block| block.as_ref().iter().any(|&word| word != 0);
            assert!(
                hasher.memory.iter().all(is_used),
                "{hash:?} is answered too cheaply"
            );
        }
    }

    /// Made of "password" by the reference implementation in C.
    const OTHERS: [&str; 5] = [
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        "$argon2id$v=19$m=65536,t=3,p=4$c2l4dGVlbiBieXRlcyBvaw$F3Chp/Ffi8houl3FjCcUiOedMy8ZNI+/ORI26GojOKM",
        "$argon2id$v=19$m=8,t=1,p=1$c2l4dGVlbiBieXRlcyBvaw$/qYkAvf4ElJR+Wp3zGmCtw",
        "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyBvaw$U4W7/DXJ8+/5oB7vrcBBaKfB+oqcjrr6f/fe/PXRTGWMRxpz2U826vTSSJPgUlmm8U9uRe5Sc8koHuWiqKBzHA",
    ];
}
