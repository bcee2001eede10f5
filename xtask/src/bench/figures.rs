//! Figures and their comparison: medians, ratios of rounds, budgets. Pure.

use std::fmt;
use std::time::Duration;

use super::process::Sample;

/// All measured rounds of one contender.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) name: &'static str,
    pub(super) samples: Vec<Sample>,
}

/// What of a sample is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Wall,
    Cpu,
}

/// A number with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Figure {
    Time(Duration),
    Bytes(u64),
    Count(f64),
}

/// What DESIGN §11 asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Budget {
    /// Nothing; the figure is for information.
    None,
    /// Ours divided by the reference.
    RatioAtMost(f64),
    /// The reference divided by ours.
    FasterAtLeast(f64),
    /// Ours alone.
    ValueAtMost(Figure),
}

/// Whether a budget is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Met,
    Missed,
    NoBudget,
}

/// One line of the report.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) case: String,
    pub(super) ours: Figure,
    pub(super) reference: Option<(&'static str, Figure)>,
    /// Ours divided by the reference.
    pub(super) ratio: Option<f64>,
    pub(super) budget: Budget,
}

impl Series {
    pub(super) fn median(&self, quantity: Quantity) -> Figure {
        let values = self.samples.iter().map(|sample| quantity.of(sample));
        let median = median(values.collect()).unwrap_or_default();
        Figure::Time(Duration::try_from_secs_f64(median).unwrap_or_default())
    }
}

impl Quantity {
    fn of(self, sample: &Sample) -> f64 {
        match self {
            Self::Wall => sample.wall.as_secs_f64(),
            Self::Cpu => sample.cpu.as_secs_f64(),
        }
    }
}

impl Row {
    /// Ours against a reference of the same race: the median of the rounds'
    /// ratios, so that a machine that grows slower meanwhile hurts both.
    pub(super) fn compare(
        case: impl Into<String>,
        quantity: Quantity,
        ours: &Series,
        reference: &Series,
        budget: Budget,
    ) -> Self {
        let rounds = ours.samples.iter().zip(&reference.samples);
        let ratios = rounds.map(|(ours, other)| quantity.of(ours) / quantity.of(other));
        Self {
            case: case.into(),
            ours: ours.median(quantity),
            reference: Some((reference.name, reference.median(quantity))),
            ratio: median(ratios.collect()),
            budget,
        }
    }

    /// Ours alone, against a value or nothing.
    pub(super) fn alone(case: impl Into<String>, ours: Figure, budget: Budget) -> Self {
        Self {
            case: case.into(),
            ours,
            reference: None,
            ratio: None,
            budget,
        }
    }

    /// Two counts, such as round trips.
    pub(super) fn counts(
        case: impl Into<String>,
        ours: f64,
        reference: (&'static str, f64),
        budget: Budget,
    ) -> Self {
        Self {
            case: case.into(),
            ours: Figure::Count(ours),
            reference: Some((reference.0, Figure::Count(reference.1))),
            ratio: Some(ours / reference.1),
            budget,
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let kept = match (self.budget, self.ratio) {
            (Budget::None, _) => return Verdict::NoBudget,
            (Budget::RatioAtMost(most), Some(ratio)) => ratio <= most,
            (Budget::FasterAtLeast(least), Some(ratio)) => 1.0 / ratio >= least,
            (Budget::ValueAtMost(most), _) => self.ours.number() <= most.number(),
            // What could not be compared was not shown to be kept.
            (Budget::RatioAtMost(_) | Budget::FasterAtLeast(_), None) => false,
        };
        if kept { Verdict::Met } else { Verdict::Missed }
    }

    /// The ratio in the budget's own direction.
    pub(super) fn ratio_text(&self) -> String {
        match (self.budget, self.ratio) {
            (_, None) => String::new(),
            (Budget::FasterAtLeast(_), Some(ratio)) => format!("{:.2}× faster", 1.0 / ratio),
            (_, Some(ratio)) => format!("{ratio:.2}×"),
        }
    }
}

impl Figure {
    fn number(self) -> f64 {
        match self {
            Self::Time(time) => time.as_secs_f64(),
            #[expect(clippy::cast_precision_loss, reason = "memory is far from 2^53 bytes")]
            Self::Bytes(bytes) => bytes as f64,
            Self::Count(count) => count,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Time(time) if time >= Duration::from_secs(10) => {
                write!(f, "{:.1} s", time.as_secs_f64())
            }
            Self::Time(time) if time >= Duration::from_millis(100) => {
                write!(f, "{:.0} ms", time.as_secs_f64() * 1e3)
            }
            Self::Time(time) => write!(f, "{:.1} ms", time.as_secs_f64() * 1e3),
            Self::Bytes(_) => write!(f, "{:.1} MiB", self.number() / f64::from(1 << 20)),
            Self::Count(count) if count.fract() == 0.0 => write!(f, "{count:.0}"),
            Self::Count(count) => write!(f, "{count:.2}"),
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::RatioAtMost(most) => write!(f, "≤ {most}×"),
            Self::FasterAtLeast(least) => write!(f, "≥ {least}× faster"),
            Self::ValueAtMost(most) => write!(f, "≤ {most}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::NoBudget => "",
        })
    }
}

/// The middle one; of an even number the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(*upper);
    }
    Some(f64::midpoint(values[values.len() / 2 - 1], *upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &'static str, millis: &[u64]) -> Series {
        let sample = |millis: &u64| Sample {
            wall: Duration::from_millis(*millis),
            cpu: Duration::from_millis(millis / 2),
            peak: 1 << 20,
        };
        Series {
            name,
            samples: millis.iter().map(sample).collect(),
        }
    }

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(vec![7.0]), Some(7.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn a_machine_that_grows_slower_does_not_change_the_ratio() {
        let ours = series("ours", &[10, 20, 400]);
        let other = series("other", &[20, 40, 800]);
        let row = Row::compare(
            "a",
            Quantity::Wall,
            &ours,
            &other,
            Budget::FasterAtLeast(2.0),
        );
        assert_eq!(row.ratio, Some(0.5));
        assert_eq!(row.ours, Figure::Time(Duration::from_millis(20)));
        assert_eq!(row.verdict(), Verdict::Met);
        assert_eq!(row.ratio_text(), "2.00× faster");
    }

    #[test]
    fn a_budget_is_missed_as_soon_as_it_is_passed() {
        let verdict = |ours: u64, budget: Budget| {
            let (ours, other) = (series("ours", &[ours]), series("other", &[100]));
            Row::compare("a", Quantity::Wall, &ours, &other, budget).verdict()
        };
        assert_eq!(verdict(105, Budget::RatioAtMost(1.05)), Verdict::Met);
        assert_eq!(verdict(106, Budget::RatioAtMost(1.05)), Verdict::Missed);
        assert_eq!(verdict(51, Budget::FasterAtLeast(2.0)), Verdict::Missed);
        assert_eq!(verdict(500, Budget::None), Verdict::NoBudget);
    }

    #[test]
    fn a_value_is_held_against_a_value_of_its_unit() {
        let most = Budget::ValueAtMost(Figure::Bytes(32 << 20));
        let row = |bytes: u64| Row::alone("peak", Figure::Bytes(bytes), most);
        assert_eq!(row(32 << 20).verdict(), Verdict::Met);
        assert_eq!(row((32 << 20) + 1).verdict(), Verdict::Missed);
        assert_eq!(most.to_string(), "≤ 32.0 MiB");
    }
}
