//! Ranges of IP addresses: `10.0.0.0/8`.

use std::{net::IpAddr, str::FromStr};

/// All addresses of one family that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    address: IpAddr,
    bits: u32,
}

impl Range {
    /// Whether an address is in the range; an IPv4 address may be mapped to IPv6.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        let (own, width) = number(self.address);
        let (other, other_width) = number(address.to_canonical());
        let shift = width - self.bits;
        width == other_width && own.checked_shr(shift) == other.checked_shr(shift)
    }
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || format!("expected a range such as 10.0.0.0/8 or fd00::/8, not \"{text}\"");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let (value, width) = number(address);
        let bits = bits.map_or(Ok(width), str::parse).map_err(|_| expected())?;
        if bits > width {
            return Err(expected());
        }
        if address.to_canonical() != address {
            return Err(format!(
                "\"{text}\" is mapped to IPv6: IPv4 addresses are matched by a range such as \
                 10.0.0.0/8"
            ));
        }
        let shift = width - bits;
        if value
            .checked_shr(shift)
            .unwrap_or(0)
            .checked_shl(shift)
            .unwrap_or(0)
            != value
        {
            return Err(format!(
                "\"{text}\" has bits that are set after the first {bits}"
            ));
        }
        Ok(Self { address, bits })
    }
}

/// An address as a number, and its width in bits.
fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (address.to_bits().into(), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}
