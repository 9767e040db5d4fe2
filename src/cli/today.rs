//! Today's date, which reviews get as a value.

use k8s_openapi::jiff::civil::Date;
use k8s_openapi::jiff::tz::TimeZone;

use crate::config::date;

/// The date of commands that review.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct DateArg {
    /// Review as if on this day, such as 2027-03-31 [default: today, in UTC]
    #[arg(long, value_name = "DATE", value_parser = date::parse)]
    pub(crate) now: Option<Date>,
}

impl DateArg {
    /// The day.
    pub(crate) fn date(self) -> Date {
        self.now.unwrap_or_else(today)
    }
}

/// Today's date, in UTC.
pub(crate) fn today() -> Date {
    webhook_certs::now().to_zoned(TimeZone::UTC).date()
}
