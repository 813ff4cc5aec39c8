//! Event files: the records of a run as JSON lines, `{"t_ns": …, "<tag>": …}`, compressed when large.
//!
//! A file is plain text up to 1 MiB and gzip beyond, without name and time stamp in its header. Written while the run goes on, so that memory holds
//! at most the plain text of a small one.

use super::result::ResultError;
use crate::backend::record::{Record, What};
use crate::engine::Time;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes of plain text beyond which an event file is compressed.
pub const PLAIN_BYTES_MAX: usize = 1 << 20;
const PLAIN_FILE: &str = "events.jsonl";
const COMPRESSED_FILE: &str = "events.jsonl.gz";

/// Writes the event file of one run.
pub struct EventsWriter {
    dir: PathBuf,
    plain: Vec<u8>,
    compressed: Option<GzEncoder<BufWriter<File>>>,
    error: Option<ResultError>,
}

#[derive(Deserialize)]
struct Line {
    t_ns: u64,
    #[serde(flatten)]
    what: What,
}

impl EventsWriter {
    /// Starts an event file in a directory that exists.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), plain: Vec::new(), compressed: None, error: None }
    }

    /// Adds a record. An error of the file system is kept for [`finish`](Self::finish), since a run cannot be broken off.
    pub fn write(&mut self, record: &Record) {
        if self.error.is_some() {
            return;
        }
        let start = self.plain.len();
        write!(self.plain, "{{\"t_ns\":{},", record.at.0).expect("writing to memory cannot fail");
        let brace = self.plain.len();
        serde_json::to_writer(&mut self.plain, &record.what)
            .expect("records have string keys and no failing fields");
        assert_eq!(self.plain.get(brace), Some(&b'{'), "a record of a change is a JSON object");
        // The object's opening brace becomes the end of the time's field: both share one object.
        self.plain.remove(brace);
        self.plain.push(b'\n');
        debug_assert!(self.plain.len() > start, "a line was added");
        if self.compressed.is_some() || self.plain.len() > PLAIN_BYTES_MAX {
            self.spill();
        }
    }

    /// Ends the file and returns its name in the directory.
    pub fn finish(mut self) -> Result<&'static str, ResultError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let Some(encoder) = self.compressed.take() else {
            let path = self.dir.join(PLAIN_FILE);
            std::fs::write(&path, &self.plain).map_err(ResultError::writing(&path))?;
            return Ok(PLAIN_FILE);
        };
        let path = self.dir.join(COMPRESSED_FILE);
        let buffered = encoder.finish().map_err(ResultError::writing(&path))?;
        buffered
            .into_inner()
            .map_err(|error| ResultError::Write { path, source: error.into_error() })?;
        Ok(COMPRESSED_FILE)
    }

    fn spill(&mut self) {
        let path = self.dir.join(COMPRESSED_FILE);
        let written = match &mut self.compressed {
            Some(encoder) => encoder.write_all(&self.plain),
            None => File::create(&path).and_then(|file| {
                let encoder =
                    GzBuilder::new().mtime(0).write(BufWriter::new(file), Compression::fast());
                self.compressed.insert(encoder).write_all(&self.plain)
            }),
        };
        self.plain.clear();
        self.error = written.map_err(ResultError::writing(&path)).err();
    }
}

/// Reads an event file, plain or compressed, record by record; `events_file` is as in the summary.
pub fn read_events(
    dir: &Path,
    events_file: &str,
) -> Result<impl Iterator<Item = Result<Record, ResultError>> + use<>, ResultError> {
    let path = dir.join(events_file);
    let file = File::open(&path).map_err(ResultError::reading(&path))?;
    let reader: Box<dyn Read> = if events_file.ends_with(COMPRESSED_FILE) {
        Box::new(flate2::bufread::GzDecoder::new(BufReader::new(file)))
    } else {
        Box::new(file)
    };
    Ok(BufReader::new(reader).lines().map(move |line| {
        let line = line.map_err(ResultError::reading(&path))?;
        let line: Line = serde_json::from_str(&line)
            .map_err(|source| ResultError::Content { path: path.clone(), source })?;
        Ok(Record { at: Time(line.t_ns), what: line.what })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::record::{GroupPhase, PodChange, RolloutChange};

    fn check(records: &[Record], name: &str) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = EventsWriter::new(dir.path());
        for record in records {
            writer.write(record);
        }
        assert_eq!(writer.finish().unwrap(), name);
        let read: Vec<_> = read_events(dir.path(), name).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, records);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        std::fs::read(dir.path().join(name)).unwrap()
    }

    fn records(count: u64) -> Vec<Record> {
        let set: std::sync::Arc<str> = "default/vllm".into();
        let whats = [
            What::Action("set image \"a\"\n".into()),
            What::Wanted { set: set.clone(), replicas: 2, size: 3 },
            What::Rollout { set: set.clone(), number: 1, change: RolloutChange::Started },
            What::Group {
                group: "default/vllm-0".into(),
                set,
                index: 0,
                revision: "abc".into(),
                phase: GroupPhase::Ready,
            },
            What::Pod {
                pod: "default/vllm-0".into(),
                incarnation: 1,
                change: PodChange::Created {
                    group: "default/vllm-0".into(),
                    revision: "abc".into(),
                    accelerators: 8,
                },
            },
            What::Pod {
                pod: "default/vllm-0".into(),
                incarnation: 1,
                change: PodChange::Unschedulable("0/4".into()),
            },
            What::Pod { pod: "default/vllm-0".into(), incarnation: 1, change: PodChange::Ready },
        ];
        (0..count)
            .map(|i| Record {
                at: Time(i),
                what: whats[usize::try_from(i).unwrap() % whats.len()].clone(),
            })
            .collect()
    }

    #[test]
    fn a_small_file_is_plain_and_reads_back() {
        let text = String::from_utf8(check(&records(7), "events.jsonl")).unwrap();
        insta::assert_snapshot!(text, @r#"
        {"t_ns":0,"action":"set image \"a\"\n"}
        {"t_ns":1,"wanted":{"set":"default/vllm","replicas":2,"size":3}}
        {"t_ns":2,"rollout":{"set":"default/vllm","number":1,"change":"started"}}
        {"t_ns":3,"group":{"group":"default/vllm-0","set":"default/vllm","index":0,"revision":"abc","phase":"ready"}}
        {"t_ns":4,"pod":{"pod":"default/vllm-0","incarnation":1,"change":{"created":{"group":"default/vllm-0","revision":"abc","accelerators":8}}}}
        {"t_ns":5,"pod":{"pod":"default/vllm-0","incarnation":1,"change":{"unschedulable":"0/4"}}}
        {"t_ns":6,"pod":{"pod":"default/vllm-0","incarnation":1,"change":"ready"}}
        "#);
    }

    #[test]
    fn a_large_file_is_compressed_without_time_stamp_and_reads_back() {
        let bytes = check(&records(20_000), "events.jsonl.gz");
        assert_eq!(bytes[..4], [0x1f, 0x8b, 8, 0], "gzip with no optional header fields");
        assert_eq!(bytes[4..8], [0; 4], "no time stamp");
    }

    #[test]
    fn an_empty_run_has_an_empty_file() {
        assert!(check(&[], "events.jsonl").is_empty());
    }
}
