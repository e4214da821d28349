//! Medians, and tables in Markdown.

/// The middle one.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The middle one, and the smallest to the largest.
pub(crate) fn spread(values: &[f64], digits: usize) -> String {
    let (least, most) =
        values.iter().fold((f64::MAX, f64::MIN), |(a, b), value| (a.min(*value), b.max(*value)));
    format!("{:.digits$} ({least:.digits$} to {most:.digits$})", median(values))
}

/// The same for numbers of thousands.
pub(crate) fn spread_whole(values: &[f64]) -> String {
    let (least, most) =
        values.iter().fold((f64::MAX, f64::MIN), |(a, b), value| (a.min(*value), b.max(*value)));
    format!("{} ({} to {})", whole(median(values)), whole(least), whole(most))
}

/// A number with commas.
pub(crate) fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A table that is printed row by row, and kept for the document.
pub(crate) struct Table {
    text: String,
}

impl Table {
    pub(crate) fn new(title: &str, note: &str, columns: &[&str]) -> Self {
        let rule = vec!["---"; columns.len()];
        let mut table = Self { text: String::new() };
        table.line(&format!("\n## {title}\n"));
        if !note.is_empty() {
            table.line(&format!("{note}\n"));
        }
        table.row(columns);
        table.line(&format!("|{}|", rule.join("|")));
        table
    }

    pub(crate) fn row(&mut self, cells: &[&str]) {
        self.line(&format!("| {} |", cells.join(" | ")));
    }

    pub(crate) fn line(&mut self, line: &str) {
        println!("{line}");
        self.text.push_str(line);
        self.text.push('\n');
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}
