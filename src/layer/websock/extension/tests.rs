//! Offers of permessage-deflate, and the responses to them.

use super::*;

fn response(offers: &str, own: WebsockDeflate) -> Option<String> {
    select(offers.split(',').map(str::trim_ascii), &own).map(|(response, _)| response)
}

#[test]
fn a_server_selects_the_first_offer_that_it_can_meet() {
    let own = WebsockDeflate::default();
    let plain = Some(NAME.to_owned());
    for offers in [
        "permessage-deflate",
        "Permessage-Deflate; client_max_window_bits",
        "x-other, permessage-deflate",
        "permessage-deflate; unknown, permessage-deflate",
        "permessage-deflate; server_max_window_bits=8, permessage-deflate",
        "permessage-deflate; server_max_window_bits, permessage-deflate",
        "permessage-deflate; client_max_window_bits=16, permessage-deflate",
        "permessage-deflate; client_max_window_bits=09, permessage-deflate",
        "permessage-deflate; client_no_context_takeover=1, permessage-deflate",
        "permessage-deflate; client_max_window_bits; client_max_window_bits, \
         permessage-deflate",
    ] {
        assert_eq!(response(offers, own), plain, "{offers}");
    }
    for offers in ["", "x-other", "permessage-deflate; unknown=1"] {
        assert_eq!(response(offers, own), None, "{offers}");
    }
}

#[test]
fn a_response_has_the_parameters_of_both_ends() {
    let own = WebsockDeflate::default();
    let small = own.server_max_window_bits(9).client_max_window_bits(10);
    for (offer, own, parameters) in [
        (
            "server_no_context_takeover",
            own,
            "server_no_context_takeover",
        ),
        (
            "client_no_context_takeover",
            own,
            "client_no_context_takeover",
        ),
        (
            "server_max_window_bits=\"10\"",
            own,
            "server_max_window_bits=10",
        ),
        (
            "client_max_window_bits=11",
            own,
            "client_max_window_bits=11",
        ),
        (
            "client_max_window_bits",
            small,
            "server_max_window_bits=9; client_max_window_bits=10",
        ),
        (
            "server_max_window_bits=15",
            own.server_no_context_takeover(),
            "server_no_context_takeover; server_max_window_bits=15",
        ),
    ] {
        let expected = format!("{NAME}; {parameters}");
        let offer = format!("{NAME}; {offer}");
        assert_eq!(response(&offer, own), Some(expected), "{offer}");
    }
}

#[test]
fn a_client_refuses_a_response_that_it_has_not_offered() {
    let own = WebsockDeflate::default();
    let fresh = own.server_no_context_takeover().server_max_window_bits(10);
    assert_eq!(offer(&own), "permessage-deflate; client_max_window_bits");
    let check = |response: &str, own| check(response.split(',').map(str::trim_ascii), own);
    assert!(check("permessage-deflate", None).is_err());
    for (response, own) in [
        ("x-other", &own),
        ("permessage-deflate, permessage-deflate", &own),
        ("permessage-deflate; client_max_window_bits", &own),
        ("permessage-deflate; unknown", &own),
        ("permessage-deflate; server_max_window_bits=10", &fresh),
        ("permessage-deflate; server_no_context_takeover", &fresh),
    ] {
        assert!(check(response, Some(own)).is_err(), "{response}");
    }
    let eight = check("permessage-deflate; client_max_window_bits=8", Some(&own));
    let agreed = eight.expect("allowed").expect("agreed");
    assert_eq!(agreed.compress_bits, None, "nothing is compressed");
}
