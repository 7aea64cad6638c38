//! The statements, for whichever client sends them.

#[cfg(feature = "sqlx")]
mod literal;

/// A statement, and the types of its parameters.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) types: &'static [Type],
}

/// The types that parameters have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Bytes,
    Text,
    Number,
    Bool,
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Param<'a> {
    Bytes(Option<&'a [u8]>),
    Text(&'a str),
    Number(i64),
    Bool(bool),
}

/// All statements of a store.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) claim: Statement,
    pub(crate) renew: Statement,
    pub(crate) finish: Statement,
    pub(crate) save_step: Statement,
    pub(crate) settle: Statement,
    pub(crate) load: Statement,
    pub(crate) list: Statement,
    pub(crate) sweep: Statement,
}

/// By the server's clock, at the moment that it is asked: not when the statement began, which may have waited since.
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
/// What is written of a record need not all come back.
const KEY: &str = "''::bytea AS key";
const COLUMNS: &str = "{key}, format::bigint, state, owner, fence, attempt, fingerprint, at_most_once, after_unknown, \
                       set_fingerprint, set_at_most_once, {steps}, step_count, lease, ttl, since, lease_until, \
                       expires_at, {result}";
const OWNED: &str = "r.id = $1::bytea AND r.owner = $2::bytea AND r.format = 1 AND r.expires_at > {now}";
const SAME: &str = "({r}.fingerprint IS NULL OR $4::bytea IS NULL OR {r}.fingerprint = $4)";

impl Statements {
    /// The statements for the tables of `schema`, which is quoted; with a channel, endings are told there.
    pub(crate) fn new(schema: &str, channel: Option<&str>) -> Self {
        use Type::{Bool, Bytes, Number, Text};
        let news = channel.map_or_else(String::new, |channel| {
            format!("CROSS JOIN LATERAL pg_notify('{channel}', encode(written.id, 'hex')) AS told")
        });
        let statement = |template: &str, types| Statement { text: filled(template, schema, &news), types };
        Self {
            claim: statement(
                include_str!("sql/claim.sql"),
                &[Bytes, Bytes, Bytes, Bytes, Bool, Bool, Number, Number, Text],
            ),
            renew: statement(include_str!("sql/renew.sql"), &[Bytes, Bytes]),
            finish: statement(include_str!("sql/finish.sql"), &[Bytes, Bytes, Text, Number, Bytes, Bool, Number]),
            save_step: statement(include_str!("sql/save_step.sql"), &[Bytes, Bytes, Number, Bytes]),
            settle: statement(include_str!("sql/settle.sql"), &[Bytes, Bytes, Text, Number, Bytes, Bool, Bool]),
            load: statement(include_str!("sql/load.sql"), &[Bytes]),
            list: statement(include_str!("sql/list.sql"), &[Bytes, Bytes, Bytes, Bytes, Number]),
            sweep: statement(include_str!("sql/sweep.sql"), &[Number]),
        }
    }
}

/// A name, quoted.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What makes the tables. Run again, it changes nothing.
pub(crate) fn schema(schema: &str) -> String {
    filled(include_str!("sql/schema.sql"), schema, "")
}

fn filled(template: &str, schema: &str, news: &str) -> String {
    // Comments are for readers of this crate.
    let template: String =
        template.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
    let columns = |key: &str, steps: &str, result: &str| {
        let columns = COLUMNS.replace("{key}", key).replace("{steps}", steps).replace("{result}", result);
        format!("{NOW}, {columns}")
    };
    let of = |text: &str, alias| text.replace("{r}", alias);
    let grantable = include_str!("sql/grantable.sql").replace("{same r}", SAME);
    template
        .replace("{grantable f}", &of(&grantable, "f"))
        .replace("{grantable r}", &of(&grantable, "r"))
        .replace("{same r}", &of(SAME, "r"))
        .replace("{owned}", OWNED)
        .replace("{news}", news)
        .replace("{columns}", &columns(KEY, "steps", "result"))
        .replace("{columns with key}", &columns("id || key", "steps", "result"))
        .replace("{columns of written}", &columns(KEY, "NULL::bytea", "NULL::bytea"))
        .replace("{now}", NOW)
        .replace("{schema}", schema)
}
