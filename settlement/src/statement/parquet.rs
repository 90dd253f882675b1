//! Lanes and positions as Parquet, for whoever works with more rows than a spreadsheet takes.
//!
//! Identities are text as everywhere, amounts of 64 bits unsigned integers, and amounts of 128 bits `DECIMAL(38, 0)`, exact in every
//! reader. Rows are written a group at a time, so a million lanes need no more memory than one group.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int64Type};
pub use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

use crate::netting::Position;
use crate::night::EpochOutputs;
use crate::stage::positions::{CarryReason, LaneLine};

/// Rows that are held in memory at once.
const GROUP_ROWS: usize = 65_536;

/// The first amount that has more than the 38 digits of `DECIMAL(38, 0)`, the most that readers agree on. No sum of an epoch comes
/// near it: fewer than 2^62 amounts of 64 bits.
const DECIMAL_END: u128 = 10_u128.pow(38);

/// How a column is made of a row.
enum Column<R> {
    /// Text.
    Text(fn(&R) -> String),
    /// Text that few rows have.
    Rare(fn(&R) -> Option<&'static str>),
    /// An amount or a number, of 64 bits.
    Number(fn(&R) -> u64),
    /// An amount of 128 bits.
    Wide(fn(&R) -> u128),
}

const LANES: &str = "message lane {
    REQUIRED BYTE_ARRAY lane (STRING);
    REQUIRED BYTE_ARRAY escrow (STRING);
    REQUIRED BYTE_ARRAY device (STRING);
    REQUIRED BYTE_ARRAY payee (STRING);
    REQUIRED INT64 rating_group (INTEGER(64,false));
    REQUIRED INT64 authorised_base_units (INTEGER(64,false));
    REQUIRED INT64 credited_base_units (INTEGER(64,false));
    REQUIRED INT64 collected_before_base_units (INTEGER(64,false));
    REQUIRED INT64 collect_base_units (INTEGER(64,false));
    REQUIRED INT64 carried_base_units (INTEGER(64,false));
    REQUIRED INT64 overpaid_base_units (INTEGER(64,false));
    OPTIONAL BYTE_ARRAY carried_because (STRING);
}";

const LANE_COLUMNS: [Column<LaneLine>; 12] = [
    Column::Text(|line| line.lane.to_string()),
    Column::Text(|line| line.escrow.to_string()),
    Column::Text(|line| line.device.to_string()),
    Column::Text(|line| line.payee.to_string()),
    Column::Number(|line| line.rating_group.into()),
    Column::Number(|line| line.authorised),
    Column::Number(|line| line.credited),
    Column::Number(|line| line.collected_before),
    Column::Number(|line| line.collect),
    Column::Number(|line| line.carried),
    Column::Number(|line| line.overpaid),
    Column::Rare(|line| line.reason.map(CarryReason::text)),
];

const POSITIONS: &str = "message position {
    REQUIRED BYTE_ARRAY debtor (STRING);
    REQUIRED BYTE_ARRAY creditor (STRING);
    REQUIRED FIXED_LEN_BYTE_ARRAY(16) amount_base_units (DECIMAL(38,0));
}";

const POSITION_COLUMNS: [Column<Position>; 3] = [
    Column::Text(|position| position.debtor.to_string()),
    Column::Text(|position| position.creditor.to_string()),
    Column::Wide(|position| position.amount),
];

/// Writes every lane to `out`.
///
/// # Errors
/// [`ParquetError`]: what `out` says.
pub fn lanes_parquet(outputs: &EpochOutputs, out: impl Write + Send) -> Result<(), ParquetError> {
    write(LANES, &LANE_COLUMNS, &outputs.positions.lanes, out)
}

/// Writes who owes whom, before netting.
///
/// # Errors
/// As [`lanes_parquet`].
pub fn positions_parquet(outputs: &EpochOutputs, out: impl Write + Send) -> Result<(), ParquetError> {
    write(POSITIONS, &POSITION_COLUMNS, &outputs.positions.positions, out)
}

fn write<R>(schema: &str, columns: &[Column<R>], rows: &[R], out: impl Write + Send) -> Result<(), ParquetError> {
    // No two lanes are alike, so a dictionary of them would be written besides, not instead.
    let properties = WriterProperties::builder()
        .set_created_by("farthing-settle".to_owned())
        .set_compression(Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(ColumnPath::from("lane"), false)
        .build();
    let schema = Arc::new(parse_message_type(schema)?);
    let mut writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
    for rows in rows.chunks(GROUP_ROWS) {
        let mut group = writer.next_row_group()?;
        for column in columns {
            column.write(rows, &mut group)?;
        }
        group.close()?;
    }
    writer.close().map(drop)
}

impl<R> Column<R> {
    fn write<W: Write + Send>(
        &self,
        rows: &[R],
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let missing = || ParquetError::General("a column is not in the schema".to_owned());
        let mut column = group.next_column()?.ok_or_else(missing)?;
        match self {
            Self::Text(of) => {
                let values: Vec<_> = rows.iter().map(|row| ByteArray::from(of(row).into_bytes())).collect();
                column.typed::<ByteArrayType>().write_batch(&values, None, None)?;
            }
            Self::Rare(of) => {
                let texts = rows.iter().map(of);
                let levels: Vec<i16> = texts.clone().map(|text| i16::from(text.is_some())).collect();
                let values: Vec<_> = texts.flatten().map(ByteArray::from).collect();
                column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
            }
            Self::Number(of) => {
                let values: Vec<_> = rows.iter().map(|row| of(row).cast_signed()).collect();
                column.typed::<Int64Type>().write_batch(&values, None, None)?;
            }
            Self::Wide(of) => {
                let values = rows.iter().map(|row| decimal(of(row))).collect::<Result<Vec<_>, _>>()?;
                column.typed::<FixedLenByteArrayType>().write_batch(&values, None, None)?;
            }
        }
        column.close()
    }
}

/// Two's complement, the highest byte first.
fn decimal(amount: u128) -> Result<FixedLenByteArray, ParquetError> {
    if amount >= DECIMAL_END {
        return Err(ParquetError::General(format!("{amount} has more than 38 digits")));
    }
    Ok(FixedLenByteArray::from(amount.to_be_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_of_more_than_38_digits_is_refused() {
        assert!(decimal(DECIMAL_END - 1).is_ok());
        assert!(decimal(DECIMAL_END).is_err());
        assert!(decimal(u128::MAX).is_err());
    }
}
