//! One sheet: a heading that stays in sight, and rows of text and exact amounts.

use rust_xlsxwriter::{Format, FormatAlign, FormatBorder, Workbook, Worksheet, XlsxError};

use super::SHEET_ROWS_MAX;

/// The greatest amount that a number in a workbook shows with all of its digits: 15 of them.
const NUMBER_MAX: u128 = 999_999_999_999_999;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    name: &'static str,
    width: f64,
    number: bool,
}

impl Column {
    pub(super) const fn text(name: &'static str, width: f64) -> Self {
        Self { name, width, number: false }
    }

    pub(super) const fn number(name: &'static str, width: f64) -> Self {
        Self { name, width, number: true }
    }
}

/// A cell.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell<'a> {
    Text(&'a str),
    Amount(u128),
    Signed(i128),
    Empty,
}

/// A sheet that is filled from top to bottom.
pub(super) struct Sheet<'b> {
    sheet: &'b mut Worksheet,
    next: u32,
    number: Format,
    exact_text: Format,
    note: Format,
}

impl<'b> Sheet<'b> {
    pub(super) fn new(book: &'b mut Workbook, name: &str, columns: &[Column]) -> Result<Self, XlsxError> {
        // Rows go to a temporary file as they come; a sheet of many lanes takes no memory.
        let sheet = book.add_worksheet_with_constant_memory()?;
        sheet.set_name(name)?;
        let heading = Format::new().set_bold().set_border_bottom(FormatBorder::Thin).set_text_wrap();
        for (place, column) in (0_u16..).zip(columns) {
            sheet.set_column_width(place, column.width)?;
            let align = if column.number { FormatAlign::Right } else { FormatAlign::Left };
            sheet.write_string_with_format(0, place, column.name, &heading.clone().set_align(align))?;
        }
        sheet.set_freeze_panes(1, 0)?;
        sheet.set_repeat_rows(0, 0)?;
        sheet.set_landscape();
        sheet.set_paper_size(9);
        sheet.set_print_fit_to_pages(1, 0);
        sheet.set_footer("&LFarthing settlement statement&RPage &P of &N");
        Ok(Self {
            sheet,
            next: 1,
            number: Format::new().set_num_format("#,##0"),
            exact_text: Format::new().set_num_format("@").set_align(FormatAlign::Right),
            note: Format::new().set_italic(),
        })
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), XlsxError> {
        for (place, cell) in (0_u16..).zip(cells) {
            match cell {
                Cell::Text(text) => {
                    self.sheet.write_string(self.next, place, *text)?;
                }
                Cell::Amount(amount) => self.digits(place, *amount, "")?,
                Cell::Signed(amount) => {
                    let sign = if *amount < 0 { "-" } else { "" };
                    self.digits(place, amount.unsigned_abs(), sign)?;
                }
                Cell::Empty => {}
            }
        }
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    /// A number where a number is exact, and all the digits as text where it is not.
    fn digits(&mut self, place: u16, amount: u128, sign: &str) -> Result<(), XlsxError> {
        let digits = format!("{sign}{amount}");
        match digits.parse::<f64>() {
            Ok(number) if amount <= NUMBER_MAX => {
                self.sheet.write_number_with_format(self.next, place, number, &self.number)?;
            }
            _ => {
                self.sheet.write_string_with_format(self.next, place, digits, &self.exact_text)?;
            }
        }
        Ok(())
    }

    /// Adds a sentence.
    pub(super) fn note(&mut self, text: &str) -> Result<(), XlsxError> {
        self.sheet.write_string_with_format(self.next, 0, text, &self.note)?;
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    /// Says where the rows are that the sheet has no room for.
    pub(super) fn rest(&mut self, rows: usize, file: &str) -> Result<(), XlsxError> {
        if rows <= SHEET_ROWS_MAX {
            return Ok(());
        }
        self.note(&format!("The first {SHEET_ROWS_MAX} of {rows} rows; all are in {file}."))
    }
}
