//! All addresses.

use super::*;

fn any_address() -> impl Strategy<Value = NetAddress> {
    let label = "[a-zA-Z0-9_-]{1,20}|[à-ö]{1,9}";
    let host = vec(label, 1..4).prop_map(|labels| labels.join("."));
    let scope = prop_oneof![
        Just(String::new()),
        "%[a-z][a-z0-9.-]{0,14}",
        "%[1-9][0-9]{0,8}"
    ];
    let v6 = (any::<std::net::Ipv6Addr>(), scope).prop_map(|(ip, scope)| format!("{ip}{scope}"));
    let hosts = prop_oneof![
        // Not all are names: some would be malformed numbers.
        host.prop_filter("a name", |host| NetAddress::tcp(host, 1).is_ok()),
        any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        v6,
        Just(String::new()),
    ];
    let bytes = |range| {
        vec(
            prop_oneof![range, Just(b'%'), Just(b'@'), Just(0x0a), Just(0xff)],
            1..108,
        )
    };
    prop_oneof![
        (hosts, any::<u16>()).prop_map(|(host, port)| tcp(&host, port)),
        bytes(1..=255_u8).prop_map(|path| unix(OsStr::from_bytes(&path))),
        bytes(0..=255_u8).prop_map(|name| named(&name)),
        ("\\PC{1,26}").prop_map(|path| unix(path.replace('\0', "x"))),
        (prop_oneof![any::<u32>(), 0..4_u32], any::<u32>())
            .prop_map(|(cid, port)| NetAddress::vsock(cid, port)),
        (0..=i32::MAX).prop_map(|number| NetAddress::fd(number).expect("a number")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_address_is_displayed_and_parsed_again(address in any_address()) {
        let text = address.to_string();
        prop_assert!(!text.contains(|c: char| c.is_control()), "{text:?}");
        prop_assert_eq!(parsed(&text), address);
    }

    /// What is near an address, so that much of it is one.
    #[test]
    fn every_string_is_parsed_as_an_address_or_has_a_parse_error_position(
        text in "(tcp:|unix:@?|vsock:|fd:)?([a-z0-9.:%@*/\\[\\] -]{0,20}|\\PC{0,10}|(any|host|::1)?:[0-9]{0,6})"
    ) {
        match text.parse::<NetAddress>() {
            Ok(address) => prop_assert_eq!(parsed(&address.to_string()), address),
            Err(e) => {
                prop_assert!(text[e.position()..].starts_with(e.found()));
                prop_assert!(!e.to_string().contains('\n'));
            }
        }
    }
}
