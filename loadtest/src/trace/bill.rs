//! What a trace comes to under a tariff, worked out before the first payment.

use std::fmt;

use farthing_channel::tariff::{ChargeError, Tariff};

use super::Trace;

/// A device's use does not fit the rules of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillError {
    /// The device.
    pub device: String,
    /// Why.
    pub reason: ChargeError,
}

impl fmt::Display for BillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "device {} cannot be billed: {}", self.device, self.reason)
    }
}

impl std::error::Error for BillError {}

/// What one device pays, step by step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceBill {
    /// Units of all its rows.
    pub units: u64,
    /// After each of its rows that raises it: microseconds since 1970, and the total owed since opening in base units.
    pub totals: Vec<(u64, u64)>,
}

impl DeviceBill {
    /// What the device owes in the end, base units.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.totals.last().map_or(0, |(_, total)| *total)
    }
}

/// What every device of a trace pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// In the order of [`Trace::devices`].
    pub devices: Vec<DeviceBill>,
    /// What all devices owe in the end, base units.
    pub total: u128,
}

impl Bill {
    /// Charges each device for its cumulative units, row by row. A row that costs nothing more, for it used nothing or
    /// is covered by the rounding of one before, is no payment of its own.
    ///
    /// # Errors
    /// [`BillError`] where units or charge of a device pass 64 bits.
    pub fn of(trace: &Trace, tariff: &Tariff) -> Result<Self, BillError> {
        let mut devices = vec![DeviceBill::default(); trace.devices.len()];
        for row in &trace.rows {
            let fault =
                |reason| BillError { device: trace.devices.get(row.device).cloned().unwrap_or_default(), reason };
            let Some(device) = devices.get_mut(row.device) else {
                continue;
            };
            device.units = device.units.checked_add(row.units).ok_or_else(|| fault(ChargeError::Overflow))?;
            let total = tariff.charge_units(device.units).map_err(fault)?;
            if total > device.total() {
                device.totals.push((row.at_us, total));
            }
        }
        let total = devices.iter().map(|device| u128::from(device.total())).sum();
        Ok(Self { devices, total })
    }

    /// Payments in it.
    #[must_use]
    pub fn payments(&self) -> usize {
        self.devices.iter().map(|device| device.totals.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{PriceOption, read_from};

    fn bill(price: &str, rows: &str) -> Result<Bill, BillError> {
        let trace = read_from(format!("timestamp,device_id,kind,quantity\n{rows}").as_bytes()).unwrap();
        let price: PriceOption = price.parse().unwrap();
        Bill::of(&trace, &price.tariff(trace.unit, 1).unwrap())
    }

    #[test]
    fn each_device_is_rounded_up_once() {
        let bill = bill("1/10", "1,a,bytes,3\n2,b,bytes,11\n3,a,bytes,0\n4,a,bytes,4\n5,a,bytes,4\n").unwrap();
        let totals: Vec<_> = bill.devices.iter().map(|device| device.totals.clone()).collect();
        assert_eq!(totals, [vec![(1_000_000, 1), (5_000_000, 2)], vec![(2_000_000, 2)]]);
        assert_eq!((bill.total, bill.payments()), (4, 3));
    }

    #[test]
    fn more_than_64_bits_is_an_error_that_names_the_device() {
        let half = u64::MAX / 2 + 1;
        assert_eq!(bill("1/1", &format!("1,a,events,{half}\n2,a,events,{half}\n")).unwrap_err().device, "a");
        assert_eq!(bill("2/1", &format!("1,a,events,{half}\n")).unwrap_err().reason, ChargeError::Overflow);
    }
}
