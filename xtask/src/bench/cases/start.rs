//! The binary itself: how fast it starts, how large it is, how long it builds.

use std::time::Duration;

use anyhow::Result;

use super::Course;
use crate::bench::figures::{Budget, Figure, Quantity, Row};
use crate::bench::race::Contender;

pub(super) fn run(course: &Course) -> Result<Vec<Row>> {
    let version = course.binaries.ours_version();
    let series = course.sprint(&[Contender::that_looks("ours", version)])?;
    let most = Figure::Time(Duration::from_millis(3));
    let mut rows = vec![
        Row::alone(
            "start: --version, CPU",
            series[0].median(Quantity::Cpu),
            Budget::ValueAtMost(most),
        ),
        Row::alone(
            "binary, stripped",
            Figure::Bytes(course.binaries.size()?),
            Budget::None,
        ),
    ];
    if let Some(build) = course.binaries.build {
        rows.push(Row::alone(
            format!(
                "release build, {} of {} crates compiled",
                build.compiled,
                build.compiled + build.fresh
            ),
            Figure::Time(build.took),
            Budget::None,
        ));
    }
    Ok(rows)
}
