use super::file::EventsFile;

/// What is kept of calls, as events.
#[derive(Debug)]
pub struct EventsConfig {
    /// How many records of calls that change something are kept in memory, and how many of others.
    pub kept_max: usize,
    /// Every record is appended to this file, as a line of JSON.
    pub file: Option<EventsFile>,
}

impl Default for EventsConfig {
    /// 4,096 of each: at some 500 bytes each, four megabytes. No file.
    fn default() -> Self {
        Self {
            kept_max: portcullis_kms::EVENTS_MAX,
            file: None,
        }
    }
}
