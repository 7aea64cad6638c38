//! Tables, as Markdown for the page and for the eye, and what they come to.

use std::fmt::Write as _;
use std::path::Path;

use crate::compare::Timed;
use crate::effort::Effort;
use crate::plot::Plot;
use crate::spread::Spread;
use crate::unit::{figures, time};

/// All that was measured so far.
#[derive(Debug)]
pub struct Report {
    /// How thorough it is.
    pub effort: Effort,
    day: String,
    text: String,
    budgets: Vec<Vec<String>>,
    plots: Vec<(String, String)>,
}

impl Report {
    /// An empty one, of this day.
    pub fn new(effort: Effort, day: String) -> Self {
        Self { effort, day, text: String::new(), budgets: Vec::new(), plots: Vec::new() }
    }

    /// Begins a part, and says what is measured in it.
    pub fn part(&mut self, title: &str, what: &str) {
        let Self { effort, day, .. } = self;
        let text = format!("\n## {title}\n\n{what} ({effort}, {day})\n");
        self.say(&text);
    }

    /// A table of contenders beside the first of them; those that have a budget are judged.
    pub fn compared(&mut self, rows: Vec<Row>) {
        let cells = rows.iter().map(|row| {
            if row.stands {
                self.budgets.push(row.cells());
            }
            row.cells()
        });
        let cells = cells.collect();
        self.table(&BUDGETS_HEAD, cells);
    }

    /// A row of the table of budgets that is no ratio of times: path, beside, value, spread, budget.
    pub fn judged(&mut self, cells: [String; 5], met: bool) {
        let [path, beside, value, spread, budget] = cells;
        let verdict = if met { "met" } else { "over" };
        self.budgets.push(vec![path, beside, String::new(), value, spread, budget, verdict.into()]);
    }

    /// Any other table.
    pub fn table<H: AsRef<str>>(&mut self, head: &[H], rows: Vec<Vec<String>>) {
        let text = table(head, &rows);
        self.say(&format!("\n{text}"));
    }

    /// A plot, and the words for those who do not see it.
    pub fn plot(&mut self, file: &str, alt: &str, plot: &Plot) {
        self.plots.push((format!("{file}.svg"), plot.to_svg()));
        let line = format!("\n![{alt}]({file}.svg)\n");
        self.text.push_str(&line);
    }

    fn say(&mut self, text: &str) {
        print!("{text}");
        self.text.push_str(text);
    }

    /// Prints the table of budgets, and returns whether all are met.
    pub fn conclude(&self) -> bool {
        print!("\n## The budgets\n\n{}", self.of_budgets());
        self.budgets.iter().all(|row| row.last().is_some_and(|verdict| verdict == "met"))
    }

    fn of_budgets(&self) -> String {
        table(&BUDGETS_HEAD, &self.budgets)
    }

    /// Writes `figures.md` and the plots. Of some parts only, the page that is there keeps its others.
    pub fn write(&self, to: &Path, about: &str, whole: bool) -> std::io::Result<()> {
        std::fs::create_dir_all(to)?;
        for (file, svg) in &self.plots {
            std::fs::write(to.join(file), svg)?;
        }
        let file = to.join("figures.md");
        let mut page = Page::default();
        if !whole {
            page.add(&std::fs::read_to_string(&file)?);
        }
        page.add(&format!("\n## {BUDGETS}\n\n{}{}", self.of_budgets(), self.text));
        std::fs::write(file, page.to_markdown(about))
    }
}

const BUDGETS: &str = "The budgets";
const BUDGETS_HEAD: [&str; 7] = ["path", "beside", "time", "ratio", "10–90 %", "budget", ""];

/// The written page, by its titles; of the budgets, by paths and what they stand beside. What comes later takes the place of
/// what was there.
#[derive(Default)]
struct Page {
    budgets: Vec<(String, String)>,
    parts: Vec<(String, String)>,
}

impl Page {
    fn add(&mut self, markdown: &str) {
        for part in markdown.split("\n## ").skip(1) {
            let (title, text) = part.split_once('\n').unwrap_or((part, ""));
            if title != BUDGETS {
                put(&mut self.parts, title, text);
                continue;
            }
            for row in text.lines().filter(|line| line.starts_with('|')).skip(2) {
                let mut cells = row.split('|').skip(1).map(str::trim);
                let (path, beside) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
                // Without its time, which is another one each time.
                let key = format!("{path}, {}", beside.split(',').next().unwrap_or_default());
                put(&mut self.budgets, &key, row);
            }
        }
    }

    fn to_markdown(&self, about: &str) -> String {
        let cells = |row: &String| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let rows: Vec<_> = self.budgets.iter().map(|(_, row)| cells(row)).collect();
        let budgets = table(&BUDGETS_HEAD, &rows);
        let parts = self.parts.iter().map(|(title, text)| format!("\n## {title}\n{}\n", text.trim_end()));
        format!("# Figures\n\n{about}\n\n## {BUDGETS}\n\n{budgets}{}", parts.collect::<String>())
    }
}

fn put(all: &mut Vec<(String, String)>, key: &str, text: &str) {
    match all.iter_mut().find(|(known, _)| known == key) {
        Some((_, known)) => *known = text.to_owned(),
        None => all.push((key.to_owned(), text.to_owned())),
    }
}

/// A contender beside another.
#[derive(Debug)]
pub struct Row {
    path: String,
    beside: String,
    each: Spread,
    base: f64,
    ratio: Spread,
    budget: Option<f64>,
    stands: bool,
}

impl Row {
    /// Each but the first, beside the first.
    pub fn all(path: &str, timed: &[Timed], budget: Option<f64>) -> Vec<Self> {
        let rest = timed.iter().skip(1);
        rest.map(|timed_one| Self::of(&format!("{path}, {}", timed_one.name), timed_one, &timed[0], budget)).collect()
    }

    /// One beside the first.
    pub fn of(path: &str, one: &Timed, base: &Timed, budget: Option<f64>) -> Self {
        let (each, base_each) = (one.each, base.each.median);
        let beside = base.name.clone();
        Self { path: path.into(), beside, each, base: base_each, ratio: one.ratio, budget, stands: false }
    }

    /// Stands in the table of budgets as well.
    pub fn stands(self) -> Self {
        Self { stands: true, ..self }
    }

    fn cells(&self) -> Vec<String> {
        let beside = format!("{}, {}", self.beside, time(self.base));
        let spread = format!("{}–{}", figures(self.ratio.low), figures(self.ratio.high));
        let budget = self.budget.map(figures).unwrap_or_default();
        let verdict = match self.budget {
            None => "",
            // As it is printed.
            Some(budget) if self.ratio.median < budget + 0.005 => "met",
            Some(_) => "over",
        };
        let ratio = figures(self.ratio.median);
        vec![self.path.clone(), beside, time(self.each.median), ratio, spread, budget, verdict.into()]
    }
}

/// Markdown whose columns stand below each other.
fn table<H: AsRef<str>>(head: &[H], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|cell| cell.as_ref().to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let rule = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = String::new();
    for row in [&head, &rule].into_iter().chain(rows) {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
    }
    text
}
