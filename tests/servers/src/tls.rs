//! A certificate for 127.0.0.1, and the authority that signed it, as the server's account.

use crate::require::require;
use crate::watchdog::Watchdog;

const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/// Makes `ca.crt`, `server.crt` and `server.key` in the directory. They are good for two days.
pub(crate) fn make(watchdog: &Watchdog) {
    let openssl = require("openssl");
    let run = |args: &str, more: &[&str]| {
        watchdog.run(&openssl, args.split(' ').chain(more.iter().copied()));
    };
    // The default configuration marks it as an authority.
    run("req -x509 -days 2 -keyout ca.key -out ca.crt -subj /CN=idem-tests", &KEY);
    run("req -new -keyout server.key -out server.csr -subj /CN=localhost", &KEY);
    watchdog.write("server.ext", "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n");
    run(
        "x509 -req -days 2 -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -extfile server.ext",
        &[],
    );
}
