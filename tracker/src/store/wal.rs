//! Whether a write-ahead log is whole. `SQLite` reads one up to the first frame that does not fit and
//! says nothing of those behind it, which somebody was told are kept. Reads only. Called by opening.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

const HEADER: usize = 32;
const FRAME: usize = 24;
/// The last bit tells in which order the words of a checksum are.
const MAGIC: u32 = 0x377f_0682;

/// The write-ahead log of a database.
pub(super) fn beside(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}-wal", path.display()))
}

/// The sum of `SQLite` over 8-byte groups.
#[derive(Debug, Clone, Copy)]
struct Sum {
    big_endian: bool,
    sums: (u32, u32),
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let (pairs, _) = bytes.as_chunks::<8>();
        for &[a, b, c, d, e, f, g, h] in pairs {
            let word =
                |four| if self.big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) };
            let (first, second) = self.sums;
            let first = first.wrapping_add(word([a, b, c, d])).wrapping_add(second);
            self.sums = (first, second.wrapping_add(word([e, f, g, h])).wrapping_add(first));
        }
    }
}

fn word(bytes: &[u8], place: usize) -> u32 {
    let four = bytes.get(place..).and_then(<[u8]>::first_chunk::<4>);
    four.map_or(0, |four| u32::from_be_bytes(*four))
}

/// The number of the first frame that cannot be read though finished transactions lie behind it; 0 when
/// the log has no beginning. `None` when it is whole, or is none.
pub(super) fn damage(path: &Path) -> Option<u64> {
    let file = File::open(path).ok()?;
    let mut file = BufReader::new(file);
    let mut header = [0; HEADER];
    file.read_exact(&mut header).ok()?;
    let mut sum = Sum { big_endian: header.get(3).is_some_and(|byte| byte & 1 == 1), sums: (0, 0) };
    sum.add(header.get(..24)?);
    let page = usize::try_from(word(&header, 8)).ok()?;
    let is_valid = word(&header, 0) & !1 == MAGIC
        && (word(&header, 24), word(&header, 28)) == sum.sums
        && (512..=65_536).contains(&page)
        && page.is_power_of_two();
    if !is_valid {
        return Some(0);
    }
    let salt = header.get(16..24)?;
    let mut frame = vec![0; FRAME + page];
    let (mut number, mut broken) = (0, None);
    while file.read_exact(&mut frame).is_ok() {
        number += 1;
        let is_of_now = frame.get(8..16) == Some(salt);
        match broken {
            None => {
                sum.add(frame.get(..8)?);
                sum.add(frame.get(FRAME..)?);
                if !is_of_now || (word(&frame, 16), word(&frame, 20)) != sum.sums {
                    broken = Some(number);
                }
            }
            // The size of the database stands in the last frame of a transaction only.
            Some(first) if is_of_now && word(&frame, 4) > 0 => return Some(first),
            Some(_) => {}
        }
    }
    None
}
