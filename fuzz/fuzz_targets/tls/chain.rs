//! Certificate chains, valid and invalid ones, generated from bytes.

use std::sync::LazyLock;

use openssl::{
    asn1::{Asn1Integer, Asn1Object, Asn1OctetString, Asn1Time},
    bn::BigNum,
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    x509::{X509, X509Builder, X509Extension, X509NameBuilder},
};

/// The host name that a client verifies.
pub const HOST: &str = "a.example.test";

/// How many intermediates there are at most.
const MOST: usize = 3;

/// Bytes for each certificate.
const RECIPE: usize = 4;

/// Keys, which stay the same: of the root, of the intermediates, of the leaf, and an unrelated one.
static KEYS: LazyLock<Vec<PKey<Private>>> = LazyLock::new(|| {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("known");
    let key = || PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key");
    (0..MOST + 3).map(|_| key()).collect()
});

/// What a server presents, the leaf first, and the root that its client trusts.
pub struct Chain {
    pub root: X509,
    pub presented: Vec<X509>,
    is_special: bool,
}

impl Chain {
    pub fn of(input: &[u8]) -> Option<Self> {
        let (&[shape, order], mut rest) = input.split_first_chunk()?;
        let count = usize::from(shape) % (MOST + 1);
        let mut recipe = || {
            let (now, after) = rest.split_first_chunk::<RECIPE>()?;
            rest = after;
            Some(*now)
        };
        let root = Certificate::new(0, 0, recipe()?);
        let mut is_special = root.is_special();
        let root = root.sign().ok()?;
        let mut presented = Vec::new();
        for level in 1..=count {
            let made = Certificate::new(level, level - 1, recipe()?);
            is_special |= made.is_special();
            presented.push(made.sign().ok()?);
        }
        let mut leaf = Certificate::new(MOST + 1, count, recipe()?);
        leaf.is_leaf = true;
        is_special |= leaf.is_special();
        let leaf = leaf.sign().ok()?;
        presented.reverse();
        match order % 4 {
            1 => presented.reverse(),
            2 => presented.push(root.clone()),
            3 if !presented.is_empty() => presented.push(presented[0].clone()),
            _ => {}
        }
        presented.insert(0, leaf);
        // Bytes that are changed: which certificate, where, and how.
        for change in rest.chunks_exact(4).take(8) {
            let at = usize::from(change[0]) % presented.len();
            let mut der = presented[at].to_der().ok()?;
            let place = usize::from(u16::from_be_bytes([change[1], change[2]])) % der.len();
            der[place] ^= change[3];
            presented[at] = X509::from_der(&der).ok()?;
            // Whatever it has become.
            is_special = true;
        }
        Some(Self {
            root,
            presented,
            is_special,
        })
    }

    pub fn key_pem(&self) -> Vec<u8> {
        KEYS[MOST + 1].private_key_to_pem_pkcs8().expect("PEM")
    }

    /// Whether two different certificates are of one subject.
    pub fn has_twins(&self) -> bool {
        let all = self.presented.iter().chain([&self.root]);
        let all: Vec<_> = all
            .map(|it| (it.subject_name().to_der().ok(), it))
            .collect();
        let differ = |(name, one): &(_, &X509)| {
            all.iter()
                .any(|(other_name, other)| name == other_name && one != other)
        };
        all.iter().any(differ)
    }

    /// Whether checks of our own may refuse it.
    pub fn is_special(&self) -> bool {
        self.is_special
    }

    pub fn text(&self) -> String {
        let all = self.presented.iter().chain([&self.root]);
        let each = |it: &X509| String::from_utf8_lossy(&it.to_text().expect("text")).into_owned();
        all.map(each).collect()
    }
}

/// A certificate that is going to be made.
struct Certificate {
    key: usize,
    issuer: usize,
    is_leaf: bool,
    recipe: [u8; RECIPE],
}

impl Certificate {
    fn new(key: usize, issuer: usize, recipe: [u8; RECIPE]) -> Self {
        Self {
            key,
            issuer,
            is_leaf: false,
            recipe,
        }
    }

    fn has(&self, byte: usize, bit: u8) -> bool {
        self.recipe[byte] & 1 << bit != 0
    }

    /// Checks of our own: name constraints, and must-staple.
    fn is_special(&self) -> bool {
        self.recipe[2] % 8 != 0 || self.is_leaf && self.has(3, 7)
    }

    fn name(level: usize) -> String {
        match level {
            0 => "root".to_owned(),
            level => format!("level {level}"),
        }
    }

    fn sign(&self) -> Result<X509, ErrorStack> {
        let mut builder = X509::builder()?;
        builder.set_version(if self.has(3, 6) { 0 } else { 2 })?;
        let serial = BigNum::from_u32(self.key as u32 + 1)?;
        builder.set_serial_number(&*Asn1Integer::from_bn(&serial)?)?;
        let (from, until) = match self.recipe[0] % 8 {
            6 => ("20200101000000Z", "20210101000000Z"),
            7 => ("20890101000000Z", "20900101000000Z"),
            _ => ("20200101000000Z", "20900101000000Z"),
        };
        builder.set_not_before(&*Asn1Time::from_str(from)?)?;
        builder.set_not_after(&*Asn1Time::from_str(until)?)?;
        let mut subject = X509NameBuilder::new()?;
        if !self.has(0, 3) {
            let common = if self.is_leaf {
                HOST.to_owned()
            } else {
                Self::name(self.key)
            };
            subject.append_entry_by_nid(Nid::COMMONNAME, &common)?;
        }
        builder.set_subject_name(&subject.build())?;
        let mut issuer = X509NameBuilder::new()?;
        issuer.append_entry_by_nid(Nid::COMMONNAME, &Self::name(self.issuer))?;
        builder.set_issuer_name(&issuer.build())?;
        builder.set_pubkey(&KEYS[self.key])?;
        if !self.has(3, 6) {
            self.extend(&mut builder)?;
        }
        let signer = if self.has(0, 4) {
            MOST + 2
        } else {
            self.issuer
        };
        builder.sign(&KEYS[signer], MessageDigest::sha256())?;
        Ok(builder.build())
    }

    fn extend(&self, builder: &mut X509Builder) -> Result<(), ErrorStack> {
        let mut add = |id: &str, critical: bool, der: &[u8]| {
            let id = Asn1Object::from_str(id)?;
            let value = Asn1OctetString::new_from_bytes(der)?;
            builder.append_extension(X509Extension::new_from_der(&id, critical, &value)?)
        };
        let is_authority = !self.is_leaf ^ self.has(0, 5);
        if !self.has(0, 6) {
            let der: &[u8] = match (is_authority, self.recipe[1] % 4) {
                (true, 1) => &[0x30, 6, 1, 1, 0xff, 2, 1, 0],
                (true, _) => &[0x30, 3, 1, 1, 0xff],
                (false, _) => &[0x30, 0],
            };
            add("2.5.29.19", !self.has(0, 7), der)?;
        }
        if !self.has(1, 2) {
            let bits = match self.is_leaf ^ self.has(1, 3) {
                true => [3, 2, 7, 0x80],
                false => [3, 2, 1, 0x06],
            };
            add("2.5.29.15", true, &bits)?;
        }
        let purpose = |last| [0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, last];
        match self.recipe[1] >> 4 & 3 {
            1 => add("2.5.29.37", false, &purpose(1))?,
            2 => add("2.5.29.37", false, &purpose(2))?,
            _ => {}
        }
        if self.has(1, 6) {
            add("2.5.29.14", self.has(1, 7), &[4, 1, self.key as u8])?;
            add("2.5.29.35", false, &[0x30, 3, 0x80, 1, self.issuer as u8])?;
        }
        let subtree = |tag, name: &[u8]| {
            let base = [&[0x82, name.len() as u8], name].concat();
            let one = [&[0x30, base.len() as u8][..], &base].concat();
            let all = [&[tag, one.len() as u8][..], &one].concat();
            [&[0x30, all.len() as u8][..], &all].concat()
        };
        match self.recipe[2] % 8 {
            1 => add("2.5.29.30", true, &subtree(0xa0, b"example.test"))?,
            2 => add("2.5.29.30", true, &subtree(0xa0, b"other.test"))?,
            3 => add("2.5.29.30", true, &subtree(0xa1, HOST.as_bytes()))?,
            4 => add("2.5.29.30", false, &[0x30, 0])?,
            _ => {}
        }
        if self.is_leaf {
            let name = |name: &[u8]| {
                [&[0x30, name.len() as u8 + 2, 0x82, name.len() as u8], name].concat()
            };
            match self.recipe[3] % 8 {
                0 | 1 => add("2.5.29.17", self.has(3, 3), &name(HOST.as_bytes()))?,
                2 => add("2.5.29.17", false, &name(b"*.example.test"))?,
                3 => add("2.5.29.17", false, &name(b"b.example.test"))?,
                4 => add("2.5.29.17", false, &name(b"a*.example.test"))?,
                5 => add("2.5.29.17", false, &[0x30, 0])?,
                _ => {}
            }
            if self.has(3, 7) {
                add("1.3.6.1.5.5.7.1.24", false, &[0x30, 3, 2, 1, 5])?;
            }
        }
        Ok(())
    }
}
