//! The statements, for all clients.

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

/// The server's time when the expression is evaluated. The statement may have begun earlier and waited for a lock.
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
/// The store does not need the key of a record that it asked for, so the server does not send it.
const KEY: &str = "''::bytea AS key";
const COLUMNS: &str = "{key}, format::bigint, state, owner, fence, attempt, fingerprint, at_most_once, after_unknown, \
                       set_fingerprint, set_at_most_once, {steps}, step_count, lease, ttl, since, lease_until, \
                       expires_at, {result}";
const OWNED: &str = "r.id = $1::bytea AND r.owner = $2::bytea AND r.format = 1 AND r.expires_at > {now}";
const SAME: &str = "({r}.fingerprint IS NULL OR $4::bytea IS NULL OR {r}.fingerprint = $4)";

impl Statements {
    /// The statements for the tables of `schema`, which is quoted. With a channel, outcomes are notified there.
    pub(crate) fn new(schema: &str, channel: Option<&str>) -> Self {
        use Type::{Bool, Bytes, Number, Text};
        let notify = channel.map_or_else(String::new, |channel| {
            format!("CROSS JOIN LATERAL pg_notify('{channel}', encode(written.id, 'hex')) AS notified")
        });
        let statement = |template: &str, types| Statement { text: filled(template, schema, &notify), types };
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

/// The SQL that creates the tables. It changes nothing if they exist.
pub(crate) fn schema(schema: &str) -> String {
    filled(include_str!("sql/schema.sql"), schema, "")
}

fn filled(template: &str, schema: &str, notify: &str) -> String {
    // The comments are not sent to the server.
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
        .replace("{notify}", notify)
        .replace("{columns}", &columns(KEY, "steps", "result"))
        .replace("{columns with key}", &columns("id || key", "steps", "result"))
        .replace("{columns of written}", &columns(KEY, "NULL::bytea", "NULL::bytea"))
        .replace("{now}", NOW)
        .replace("{schema}", schema)
}
