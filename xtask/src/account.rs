//! The account that a server runs under. Database servers refuse root, and CI
//! containers are root, so this is the one place that switches users; where
//! that doesn't exist everything runs as who we are.

use std::io;
use std::path::Path;
use std::process::Command;

/// An entry of the password file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    // By `id`, because asking the kernel ourselves would need unsafe code.
    cfg!(unix)
        && Command::new("id")
            .arg("-u")
            .output()
            .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The first of these accounts that this machine has.
#[cfg(unix)]
pub(crate) fn first_of(names: &[&str]) -> io::Result<Option<Account>> {
    let entries = std::fs::read_to_string("/etc/passwd")?;
    Ok(names.iter().find_map(|name| parse(&entries, name)))
}

/// Starts the command under another account.
#[cfg(unix)]
pub(crate) fn switch(command: &mut Command, account: &Account) {
    use std::os::unix::process::CommandExt;
    command.uid(account.uid).gid(account.gid);
}

/// Gives a file or directory to another account.
#[cfg(unix)]
pub(crate) fn give(path: &Path, account: &Account) -> io::Result<()> {
    std::os::unix::fs::chown(path, Some(account.uid), Some(account.gid))
}

/// Lets every account pass through a directory to what it owns inside.
#[cfg(unix)]
pub(crate) fn let_pass(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o711))
}

/// Keeps the terminal's Ctrl-C from the command and its children.
#[cfg(unix)]
pub(crate) fn detach(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

/// There are no accounts to choose from here.
#[cfg(not(unix))]
pub(crate) fn first_of(_names: &[&str]) -> io::Result<Option<Account>> {
    Ok(None)
}

/// Never called: there is no account to switch to.
#[cfg(not(unix))]
pub(crate) fn switch(_command: &mut Command, _account: &Account) {}

/// Never called: there is no account to give it to.
#[cfg(not(unix))]
pub(crate) fn give(_path: &Path, _account: &Account) -> io::Result<()> {
    Ok(())
}

/// Everything runs as who we are, so there is nobody to let pass.
#[cfg(not(unix))]
pub(crate) fn let_pass(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// Ctrl-C reaches everything here; the supervisor then ends with us.
#[cfg(not(unix))]
pub(crate) fn detach(_command: &mut Command) {}

#[cfg(any(unix, test))]
fn parse(entries: &str, name: &str) -> Option<Account> {
    entries.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let entries = "post:x:1:2::/:/bin/sh\npostgres:x:101:104:a b:/var:/bin/bash\n";
        let postgres = Account { uid: 101, gid: 104 };
        assert_eq!(parse(entries, "postgres"), Some(postgres));
        assert_eq!(parse(entries, "nobody"), None);
    }
}
