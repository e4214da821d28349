//! A link as a QR code of block characters, for a telephone in front of the screen. Pure.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// The code's rows, light on dark terminals; none when it does not fit into `columns`.
pub fn rows(text: &str, columns: usize) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    // With the quiet zone of four modules on each side that readers look for.
    if code.width() + 8 > columns {
        return None;
    }
    let drawn = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    Some(drawn.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_fits_or_is_not_drawn() {
        let link = format!("magnet:?xt=urn:btih:{}", "0".repeat(40));
        let drawn = rows(&link, 80).unwrap();
        assert!(drawn.len() <= 24 && drawn.iter().all(|row| row.chars().count() <= 80));
        assert!(drawn.iter().any(|row| row.contains('\u{2580}')), "half blocks");
        assert_eq!(rows(&link, 36), None);
        assert_eq!(rows(&"x".repeat(5000), 10_000), None);
    }
}
