//! Latencies over time, as an HdrHistogram interval log.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;

use super::Latencies;

/// Writes one line for each interval: when it began, how long it was, its greatest value, and the compressed histogram
/// in base64. Values are microseconds; HdrHistogram's log analysers read it.
///
/// # Errors
/// As the file system says.
pub fn write_interval_log(path: &Path, intervals: &[(Duration, Latencies)]) -> io::Result<()> {
    let mut file = io::BufWriter::new(std::fs::File::create(path)?);
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder.with_max_value_divisor(1.0);
    let mut log = builder.begin_log_with(&mut file, &mut serializer)?;
    for (place, (at, latencies)) in intervals.iter().enumerate() {
        let next = intervals.get(place + 1).map_or(*at + Duration::from_secs(1), |(next, _)| *next);
        log.write_histogram(latencies.histogram(), *at, next.saturating_sub(*at), None)
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interval_is_a_line() {
        let mut latencies = Latencies::default();
        latencies.record_many(Duration::from_millis(3), 7);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ack.hlog");
        write_interval_log(&path, &[(Duration::ZERO, latencies.clone()), (Duration::from_secs(1), latencies)]).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().filter(|line| line.contains("HISTFAAA")).count(), 2, "{text}");
    }
}
