//! What a source could send: elements, blocks, clusters, and ten seconds of a stream.

use crate::webm::ebml;

/// An element, its length in so many bytes.
pub(crate) fn element(id: u32, n_length: usize, content: &[u8]) -> Vec<u8> {
    let mut bytes = id.to_be_bytes()[id.leading_zeros() as usize / 8..].to_vec();
    let length = content.len() as u64 | 1 << (7 * n_length);
    bytes.extend_from_slice(&length.to_be_bytes()[8 - n_length..]);
    bytes.extend_from_slice(content);
    bytes
}

/// EBML header, segment, and what stands before the first cluster: a picture in track 1 and sound
/// in track 2, or sound alone.
pub(crate) fn header(has_video: bool, uid: u8) -> Vec<u8> {
    let doc_type = element(0x4282, 1, b"webm");
    let info = [
        element(0x2a_d7b1, 1, &[0x0f, 0x42, 0x40]),
        element(0x4489, 1, &60_000f64.to_be_bytes()),
        element(0x4d80, 1, b"test"),
    ];
    let track = |number: u8, kind: u8, codec: &[u8], more: &[u8]| {
        let parts = [
            element(0xd7, 1, &[number]),
            element(0x73c5, 1, &[uid]),
            element(0x83, 1, &[kind]),
            element(0x86, 1, codec),
            more.to_vec(),
        ];
        element(0xae, 2, &parts.concat())
    };
    let audio = [
        element(0xb5, 1, &48_000f64.to_be_bytes()),
        element(0x9f, 1, &[2]),
    ];
    let audio = element(0xe1, 1, &audio.concat());
    let mut tracks = Vec::new();
    if has_video {
        tracks.extend(track(1, 1, b"V_VP8", &[]));
    }
    tracks.extend(track(2, 2, b"A_OPUS", &audio));
    let all = [
        element(ebml::EBML, 1, &doc_type),
        [&ebml::SEGMENT.to_be_bytes()[..], &[0x01], &[0xff; 7]].concat(),
        element(0x114d_9b74, 1, b"places"),
        element(ebml::VOID, 2, &[0; 50]),
        element(ebml::INFO, 4, &info.concat()),
        element(ebml::TRACKS, 2, &tracks),
        element(0x1254_c367, 8, b"tags"),
    ];
    all.concat()
}

pub(crate) fn simple_block(track: u8, after: i16, flags: u8, sound: &[u8]) -> Vec<u8> {
    let [high, low] = after.to_be_bytes();
    let head = [0x80 | track, high, low, flags];
    element(ebml::SIMPLE_BLOCK, 4, &[&head[..], sound].concat())
}

pub(crate) fn block_group(track: u8, after: i16, is_key: bool, sound: &[u8]) -> Vec<u8> {
    let [high, low] = after.to_be_bytes();
    let head = [0x80 | track, high, low, 0];
    let mut content = element(0x9b, 1, &[20]);
    content.extend(element(ebml::BLOCK, 2, &[&head[..], sound].concat()));
    if !is_key {
        content.extend(element(ebml::REFERENCE_BLOCK, 1, &[0xff]));
    }
    element(ebml::BLOCK_GROUP, 2, &content)
}

/// A cluster; without a length it goes on until something else begins.
pub(crate) fn cluster_of(time: u64, blocks: &[Vec<u8>], n_length: Option<usize>) -> Vec<u8> {
    let content = [
        element(ebml::TIMESTAMP, 1, &time.to_be_bytes()),
        blocks.concat(),
    ]
    .concat();
    match n_length {
        Some(n_length) => element(ebml::CLUSTER, n_length, &content),
        None => [&ebml::CLUSTER.to_be_bytes()[..], &[0xff], &content].concat(),
    }
}

/// A second of it in a cluster.
pub(crate) fn second(at: u64, n_length: Option<usize>) -> Vec<u8> {
    stretch(at, 1000, n_length)
}

/// So many milliseconds of it in a cluster: sound every 20 ms, a picture every 100 ms, a key frame
/// at 0 and 600 ms.
pub(crate) fn stretch(at: u64, n_ms: i16, n_length: Option<usize>) -> Vec<u8> {
    let mut blocks = Vec::new();
    for after in (0..n_ms).step_by(20) {
        blocks.push(simple_block(2, after, 0x80, &[after as u8; 20]));
        if after % 100 == 0 {
            let is_key = after % 600 == 0;
            let flags = if is_key { 0x80 } else { 0 };
            blocks.push(match after % 200 {
                0 => simple_block(1, after, flags, &[1; 130]),
                _ => block_group(1, after, is_key, &[2; 140]),
            });
        }
    }
    cluster_of(at, &blocks, n_length)
}

/// Ten seconds, in clusters of known and of unknown length.
pub(crate) fn stream() -> Vec<u8> {
    let mut bytes = header(true, 1);
    for n in 0..10 {
        bytes.extend(second(n * 1000, (n % 2 == 0).then_some(8)));
    }
    bytes
}
