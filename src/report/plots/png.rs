//! PNG files from pixels: one IDAT chunk of 8-bit RGB, rows filtered by "up" (PNG specification, third edition).
//!
//! Written here since it is short, and since the library that the plots would bring for it is large.

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::io::Write;

const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];
const BYTES_PER_PIXEL: usize = 3;
/// Filter type 2: each byte is stored as its difference to the byte above.
const FILTER_UP: u8 = 2;

/// Returns a PNG file of RGB pixels, row after row.
pub(super) fn encode(pixels: &[u8], width: u32, height: u32) -> Vec<u8> {
    let row_len = width as usize * BYTES_PER_PIXEL;
    assert_eq!(pixels.len(), row_len * height as usize, "pixels for {width} × {height}");
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    let mut above = vec![0u8; row_len];
    let mut filtered = vec![FILTER_UP; row_len + 1];
    let unfailing = "writing to memory cannot fail";
    for row in pixels.chunks_exact(row_len) {
        for (i, byte) in row.iter().enumerate() {
            filtered[i + 1] = byte.wrapping_sub(above[i]);
        }
        zlib.write_all(&filtered).expect(unfailing);
        above.copy_from_slice(row);
    }
    let mut header = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    // Bit depth 8, colour type 2 (RGB), default compression, filter and no interlacing.
    header.extend([8, 2, 0, 0, 0]);
    let mut file = SIGNATURE.to_vec();
    push_chunk(&mut file, *b"IHDR", &header);
    push_chunk(&mut file, *b"IDAT", &zlib.finish().expect(unfailing));
    push_chunk(&mut file, *b"IEND", &[]);
    file
}

fn push_chunk(file: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    let length = u32::try_from(content.len()).expect("a picture is far below 4 GiB");
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(content);
    file.extend(length.to_be_bytes());
    file.extend(kind);
    file.extend(content);
    file.extend(crc.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::ZlibDecoder;
    use std::io::Read;

    #[test]
    fn pixels_come_back_from_the_file() {
        let pixels: Vec<u8> = (0..2 * 3 * 3).map(|i| i * 13).collect();
        let file = encode(&pixels, 2, 3);
        // 8 signature, 25 header chunk, then length and type of the data chunk.
        let length = u32::from_be_bytes(file[33..37].try_into().unwrap()) as usize;
        assert_eq!(&file[37..41], b"IDAT");
        let mut rows = Vec::new();
        ZlibDecoder::new(&file[41..41 + length]).read_to_end(&mut rows).unwrap();
        let mut above = vec![0u8; 6];
        let mut read: Vec<u8> = Vec::new();
        for row in rows.chunks_exact(7) {
            assert_eq!(row[0], FILTER_UP);
            above = above.iter().zip(&row[1..]).map(|(a, b)| a.wrapping_add(*b)).collect();
            read.extend(&above);
        }
        assert_eq!(read, pixels);
        // The end chunk and its checksum are the same in every PNG file.
        assert_eq!(file[file.len() - 8..], [b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82]);
    }
}
