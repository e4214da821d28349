//! The one line that says how far something is.

use std::time::Duration;

use shared::display::{Rate, Size, columns, fit};

/// A name keeps this many columns before the fields behind it are left out.
const NAME_KEEPS: usize = 24;

/// How far a download is, as its line says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// What it is, as it came; escaped here.
    pub name: String,
    /// Bytes here and verified.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
    /// Bytes a second that come.
    pub down: f64,
    /// Bytes a second that go.
    pub up: f64,
    /// Connected peers that have all of it.
    pub seeds: usize,
    /// Connected peers that have not.
    pub peers: usize,
    /// Until it is done, as far as can be told.
    pub left: Option<Duration>,
}

impl Progress {
    /// `name  42.1 %  1.98/4.70 GB  v54.7 MB/s  ^12.0 MB/s  seeds 3  peers 5  0:50 left`, at most
    /// `width` columns: left, peers, seeds and up go first, then the name is cut, then the rest.
    pub fn line(&self, width: usize) -> String {
        let mut fields = vec![
            percent(self.done, self.total),
            part(self.done, self.total),
            format!("v{}", Rate(self.down)),
            format!("^{}", Rate(self.up)),
            format!("seeds {}", self.seeds),
            format!("peers {}", self.peers),
        ];
        fields.extend(self.left.map(|left| format!("{} left", clock(left))));
        let name_keeps = columns(&self.name).min(NAME_KEEPS);
        let taken = |fields: &[String]| fields.iter().map(|field| columns(field) + 2).sum::<usize>();
        while fields.len() > 3 && name_keeps + taken(&fields) > width {
            fields.pop();
        }
        while fields.len() > 1 && name_keeps.min(8) + taken(&fields) > width {
            fields.pop();
        }
        let name = fit(&self.name, width.saturating_sub(taken(&fields)));
        let line = std::iter::once(name).chain(fields).collect::<Vec<_>>().join("  ");
        fit(&line, width)
    }
}

/// `[======      ]`: how much of `total` is done, in plain letters.
pub fn bar(done: u64, total: u64) -> String {
    const CELLS: usize = 12;
    let cells = u128::from(done.min(total)) * CELLS as u128 / u128::from(total.max(1));
    format!("[{:<CELLS$}]", "=".repeat(usize::try_from(cells).unwrap_or(CELLS)))
}

/// `42.1 %` of `total`; `100 %` only when nothing is missing.
pub fn percent(done: u64, total: u64) -> String {
    if done >= total {
        return "100 %".to_owned();
    }
    let thousandths = u128::from(done) * 1000 / u128::from(total);
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

/// `1.98/4.70 GB`: both in the unit of the whole.
fn part(done: u64, total: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let whole = Size(total).to_string();
    let Some((_, unit)) = whole.split_once(' ') else { return whole };
    let Some(power) = UNITS.iter().position(|known| *known == unit) else {
        return format!("{done}/{whole}");
    };
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = (0..=power).fold(done as f64, |value, _| value / 1000.0);
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$}/{whole}")
}

/// A stretch of time as a clock shows it: `0:50`, `12:05`, `1:02:03`; a day or more as `3d04h`.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=3599 => format!("{}:{:02}", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iso() -> Progress {
        Progress {
            name: "linux.iso".to_owned(),
            done: 1_979_000_000,
            total: 4_700_372_992,
            down: 54_700_000.0,
            up: 12_000_000.0,
            seeds: 3,
            peers: 5,
            left: Some(Duration::from_secs(50)),
        }
    }

    #[test]
    fn fields_go_from_the_right_and_then_the_name_gives() {
        let whole = "linux.iso  42.1 %  1.98/4.70 GB  v54.7 MB/s  ^12.0 MB/s  seeds 3  peers 5  0:50 left";
        for (width, line) in [
            (200, whole),
            (85, whole),
            (83, "linux.iso  42.1 %  1.98/4.70 GB  v54.7 MB/s  ^12.0 MB/s  seeds 3  peers 5"),
            (72, "linux.iso  42.1 %  1.98/4.70 GB  v54.7 MB/s  ^12.0 MB/s  seeds 3"),
            (60, "linux.iso  42.1 %  1.98/4.70 GB  v54.7 MB/s  ^12.0 MB/s"),
            (50, "linux.iso  42.1 %  1.98/4.70 GB  v54.7 MB/s"),
            (42, "linux.i…  42.1 %  1.98/4.70 GB  v54.7 MB/s"),
            (35, "linux.iso  42.1 %  1.98/4.70 GB"),
            (18, "linux.iso  42.1 %"),
            (6, "  42.…"),
        ] {
            assert_eq!(iso().line(width), line, "{width}");
            assert!(columns(&iso().line(width)) <= width);
        }
        let long = Progress { name: "a name that is far too long for any line.mkv".to_owned(), ..iso() };
        assert_eq!(long.line(60), "a name that is far too lo…  42.1 %  1.98/4.70 GB  v54.7 MB/s");
    }

    #[test]
    fn a_bar_is_full_only_when_nothing_is_missing() {
        for (done, total, cells) in
            [(0, 0, 0), (0, 9, 0), (499, 1000, 5), (999, 1000, 11), (7, 7, 12), (9, 7, 12)]
        {
            assert_eq!(bar(done, total), format!("[{:<12}]", "=".repeat(cells)), "{done} of {total}");
        }
    }

    #[test]
    fn a_hundred_is_said_only_of_all() {
        assert_eq!(percent(999_999, 1_000_000), "99.9 %");
        assert_eq!(percent(1_000_000, 1_000_000), "100 %");
        assert_eq!(percent(0, 0), "100 %");
        assert_eq!(percent(0, 7), "0.0 %");
    }

    #[test]
    fn both_sides_of_the_part_share_a_unit() {
        assert_eq!(part(120_000, 4_700_372_992), "0.00/4.70 GB");
        assert_eq!(part(12, 500), "12/500 B");
        assert_eq!(part(150_000_000, 212_000_000), "150/212 MB");
        assert_eq!(part(999_999, 999_999), "1.00/1.00 MB");
    }

    #[test]
    fn times_read_as_a_clock() {
        for (seconds, shown) in
            [(0, "0:00"), (50, "0:50"), (725, "12:05"), (3723, "1:02:03"), (273_600, "3d04h")]
        {
            assert_eq!(clock(Duration::from_secs(seconds)), shown);
        }
    }
}
