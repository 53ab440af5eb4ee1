//! Properties of the elements themselves.

use super::*;
use crate::ogg::HEADERS_BYTES_MAX;

#[test]
fn headers_whose_first_element_alone_is_as_long_as_all_may_be_are_none() {
    for n_less in 0..40 {
        let content = vec![0; HEADERS_BYTES_MAX - 12 - n_less];
        let mut bytes = element(ebml::EBML, 8, &content);
        // Whatever stands between, and what should follow.
        bytes.extend(vec![0; 31]);
        bytes.extend(element(ebml::INFO, 8, b""));
        assert!(!is_whole(&bytes), "{n_less} bytes less");
    }
}

proptest! {
    #[test]
    fn elements_of_any_length_are_found_again(
        made in proptest::collection::vec(
            (
                prop_oneof![Just(ebml::VOID), Just(ebml::TIMESTAMP_SCALE), Just(ebml::CLUSTER)],
                4usize..=8,
                proptest::collection::vec(any::<u8>(), 0..40),
            ),
            0..6,
        ),
        junk in proptest::collection::vec(any::<u8>(), 0..3),
    ) {
        let parts = made.iter().map(|(id, n_length, content)| element(*id, *n_length, content));
        let whole: Vec<Vec<u8>> = parts.collect();
        // What is cut off behind them is no element.
        let cut = [&[0x1f][..], &junk].concat();
        let bytes = [whole.concat(), cut].concat();
        let found: Vec<_> = ebml::elements(&bytes).collect();
        prop_assert_eq!(found.len(), made.len());
        for ((id, all, content), (made, whole)) in found.into_iter().zip(made.iter().zip(&whole)) {
            prop_assert_eq!((id, content, all), (made.0, &made.2[..], &whole[..]));
        }
    }

    #[test]
    fn whatever_the_bytes_elements_lie_one_behind_the_other(
        bytes in proptest::collection::vec(
            prop_oneof![Just(0xffu8), Just(0x81), Just(0xec), Just(0x01), any::<u8>()],
            0..200,
        ),
    ) {
        let mut at = 0;
        for (id, whole, content) in ebml::elements(&bytes) {
            prop_assert_eq!(whole, &bytes[at..at + whole.len()]);
            prop_assert!(whole.ends_with(content) && whole.len() >= content.len() + 2);
            prop_assert!(ebml::place(&bytes, id).is_some_and(|(start, _)| start <= at + 12));
            let _ = (ebml::number(content), ebml::float(content));
            at += whole.len();
        }
        if let Look::Opening(opening) = ebml::opening(&bytes[at..]) {
            let rest = (bytes.len() - at - opening.n_bytes) as u64;
            prop_assert!(opening.n_content.is_none_or(|n_content| n_content > rest));
        }
        if let Varint::Number { n_bytes, value } = ebml::varint(&bytes) {
            prop_assert!(n_bytes <= 8 && value.is_none_or(|value| value < 1 << (7 * n_bytes)));
        }
    }
}
