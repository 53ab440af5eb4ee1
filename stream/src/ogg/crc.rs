//! The checksum of an Ogg page (RFC 3533 §6, field 7): CRC-32, polynomial 0x04c11db7, no
//! reflection, start and end value 0. Pure.

/// `TABLES[k][b]` is the checksum of byte `b` followed by `k` zero bytes.
static TABLES: [[u32; 256]; 8] = tables();

const POLYNOMIAL: u32 = 0x04c1_1db7;

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 != 0 {
                (crc << 1) ^ POLYNOMIAL
            } else {
                crc << 1
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut byte = 0;
        while byte < 256 {
            let previous = tables[k - 1][byte];
            tables[k][byte] = (previous << 8) ^ tables[0][(previous >> 24) as usize];
            byte += 1;
        }
        k += 1;
    }
    tables
}

/// The checksum of `crc`'s bytes followed by `bytes`. Begin with 0.
pub fn update(mut crc: u32, bytes: &[u8]) -> u32 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    for c in chunks {
        let first = crc ^ u32::from_be_bytes([c[0], c[1], c[2], c[3]]);
        crc = TABLES[7][(first >> 24) as usize]
            ^ TABLES[6][(first >> 16 & 0xff) as usize]
            ^ TABLES[5][(first >> 8 & 0xff) as usize]
            ^ TABLES[4][(first & 0xff) as usize]
            ^ TABLES[3][c[4] as usize]
            ^ TABLES[2][c[5] as usize]
            ^ TABLES[1][c[6] as usize]
            ^ TABLES[0][c[7] as usize];
    }
    for byte in rest {
        crc = (crc << 8) ^ TABLES[0][((crc >> 24) as u8 ^ byte) as usize];
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::update;

    #[test]
    fn agrees_with_the_bitwise_definition() {
        let bytes: Vec<u8> = (0..1000u32).map(|n| (n * 7 % 251) as u8).collect();
        for end in [0, 1, 7, 8, 9, 63, 64, 999, 1000] {
            let mut crc = 0u32;
            for byte in &bytes[..end] {
                crc ^= u32::from(*byte) << 24;
                for _ in 0..8 {
                    crc = if crc >> 31 == 1 {
                        (crc << 1) ^ 0x04c1_1db7
                    } else {
                        crc << 1
                    };
                }
            }
            assert_eq!(update(0, &bytes[..end]), crc);
            let cut = end / 2;
            assert_eq!(update(update(0, &bytes[..cut]), &bytes[cut..end]), crc);
        }
    }
}
