//! A writer of HTML in which everything that is not a constant of the program is escaped: there is no way around it.

use super::is_web_link;

/// Style of the first line.
pub(super) const HEADLINE: &str = "font:600 18px sans-serif;margin:0 0 12px";
/// Style of the line on incidents.
pub(super) const INCIDENT: &str = "font:14px sans-serif;margin:0 0 12px";
/// Style of an alert's title.
pub(super) const TITLE: &str = "font:600 15px sans-serif;margin:20px 0 6px";
/// Style of the mark of an alert that fires.
pub(super) const FIRING: &str =
    "background:#b00020;color:#ffffff;padding:2px 6px;border-radius:3px";
/// Style of the mark of an alert that has ended.
pub(super) const RESOLVED: &str =
    "background:#1b6e3c;color:#ffffff;padding:2px 6px;border-radius:3px";
/// Style of the table of an alert.
pub(super) const TABLE: &str = "font:14px sans-serif;border-collapse:collapse";
/// Style of what is said below a drawing.
pub(super) const CAPTION: &str = "font:12px sans-serif;color:#767676;margin:4px 0 8px";
/// Style of a row's name. The grey is one that can be read on white as well as on black.
pub(super) const NAME: &str = "color:#767676;padding:2px 12px 2px 0;vertical-align:top";
/// Style of a row's value.
pub(super) const VALUE: &str = "padding:2px 0;overflow-wrap:anywhere";
/// Style of the last line.
pub(super) const FOOT: &str = "font:12px sans-serif;color:#767676;margin-top:24px";
/// Width and height of a cell of a drawing, in pixels.
const CELL: (usize, usize) = (9, 5);

/// A document in the making.
pub(super) struct Html {
    out: String,
    open: Vec<&'static str>,
}

impl Html {
    /// A document with its title, its body open.
    pub(super) fn document(title: &str) -> Self {
        let mut html = Self {
            out: "<!DOCTYPE html>\n".to_owned(),
            open: Vec::new(),
        };
        html.open("html", "");
        html.open("head", "");
        html.out += "<meta charset=\"utf-8\">\
            <meta name=\"viewport\" content=\"width=device-width\">\
            <meta name=\"color-scheme\" content=\"light dark\">";
        html.element("title", "", title);
        html.close();
        html.open("body", "margin:16px");
        html
    }

    /// Opens an element.
    pub(super) fn open(&mut self, tag: &'static str, style: &'static str) {
        self.out += "<";
        self.out += tag;
        if !style.is_empty() {
            self.out += " style=\"";
            self.out += style;
            self.out += "\"";
        }
        self.out += ">";
        self.open.push(tag);
    }

    /// Closes the element that was opened last.
    pub(super) fn close(&mut self) {
        if let Some(tag) = self.open.pop() {
            self.out += "</";
            self.out += tag;
            self.out += ">";
            if matches!(tag, "tr" | "h2" | "h3" | "table" | "head") {
                self.out += "\n";
            }
        }
    }

    /// An element with text in it.
    pub(super) fn element(&mut self, tag: &'static str, style: &'static str, text: &str) {
        self.open(tag, style);
        self.text(text);
        self.close();
    }

    /// Text.
    pub(super) fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.out += "&amp;",
                '<' => self.out += "&lt;",
                '>' => self.out += "&gt;",
                '"' => self.out += "&quot;",
                '\'' => self.out += "&#39;",
                '\n' => self.out += "<br>",
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => self.out += " ",
                c if super::turns(c) => self.out.push('\u{fffd}'),
                c => self.out.push(c),
            }
        }
    }

    /// A drawing of cells, as a table with colours in it: the one kind of picture that every mail program shows at once, also
    /// where it loads no images and where it knows little of styles, as Outlook does. It says nothing to those who cannot see
    /// it, so that what it shows is to stand beside it.
    pub(super) fn raster(&mut self, rows: &[Vec<Option<&'static str>>]) {
        let width = rows.first().map_or(0, Vec::len);
        let (across, down) = CELL;
        self.out += &format!(
            "<table role=\"presentation\" aria-hidden=\"true\" cellspacing=\"0\" cellpadding=\"0\" border=\"0\" width=\"{}\" \
             style=\"border-collapse:collapse;font-size:0;line-height:0\">\n<tr>",
            width * across
        );
        // The first row says how wide the columns are.
        for _ in 0..width {
            self.out += &format!("<td width=\"{across}\" height=\"1\"></td>");
        }
        self.out += "</tr>\n";
        for row in rows {
            self.out += "<tr>";
            for same in row.chunk_by(|one, other| one == other) {
                let colour = same.first().copied().flatten();
                let colour = colour.map_or_else(String::new, |it| format!(" bgcolor=\"{it}\""));
                let span = match same.len() {
                    1 => String::new(),
                    n => format!(" colspan=\"{n}\""),
                };
                self.out += &format!("<td height=\"{down}\"{span}{colour}></td>");
            }
            self.out += "</tr>\n";
        }
        self.out += "</table>\n";
    }

    /// A link that shows its address; what is not a link of the web is only shown.
    pub(super) fn link(&mut self, url: &str) {
        if !is_web_link(url) {
            return self.text(url);
        }
        self.out += "<a href=\"";
        self.text(url);
        self.out += "\">";
        self.text(url);
        self.out += "</a>";
    }

    /// Closes what is open and hands out the document.
    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out += "\n";
        self.out
    }
}
