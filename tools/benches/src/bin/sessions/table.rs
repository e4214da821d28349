//! Tables in Markdown.

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
