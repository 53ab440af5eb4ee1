//! After damage the framer looks for a cluster, and for nothing else.

use super::*;

#[test]
fn nothing_is_believed_after_damage_before_a_cluster() {
    for n_bytes in 4_080..4_110 {
        // Behind it is what would be a Void that is longer than all that follows.
        let damage = [vec![0x02; n_bytes], vec![0xec, 0x10, 0x00, 0x80, 0x00]].concat();
        let (one, other) = (stretch(0, 320, None), stretch(320, 320, None));
        let bytes = [header(true, 1), one, damage, other].concat();
        let found = blocks(&frame(Framer::new(), &bytes, &[]).0);
        let after = found.iter().filter(|block| block.1 >= 320 && block.0 == 2);
        assert_eq!(after.count(), 16, "{n_bytes}");
    }
}
