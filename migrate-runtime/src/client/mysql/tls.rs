//! What is asked of TLS, as the client takes it. Reads the certificates' files
//! itself, so that an error names the file.

use std::path::Path;

use mysql_async::{ClientIdentity, SslOpts};

use super::options::{Mode, Tls, Unusable};

/// mysql_async overlooks a certificate's names only where the error holds this
/// word, which rustls no longer says of its own accord. But it repeats the name
/// that was asked for: so the word is the name. `.invalid` is nobody's.
const ANY_NAME: &str = "NotValidForName.invalid";

/// The client's settings; none where it stays with plain text.
///
/// # Errors
/// When a file cannot be read or isn't what it is said to be.
pub(super) fn settings(tls: &Tls) -> Result<Option<SslOpts>, Unusable> {
    if tls.mode == Mode::Disabled {
        return Ok(None);
    }
    let mut settings = SslOpts::default()
        .with_danger_accept_invalid_certs(tls.mode < Mode::VerifyCa)
        .with_danger_skip_domain_validation(tls.mode < Mode::VerifyIdentity);
    if tls.mode == Mode::VerifyCa {
        settings = settings.with_danger_tls_hostname_override(Some(ANY_NAME));
    }
    if let Some(path) = &tls.authority {
        let certificates = file("ssl-ca", path, "CERTIFICATE")?;
        // The authority that is named is the only one, as for MySQL's clients.
        settings = settings
            .with_root_certs(vec![certificates.into()])
            .with_disable_built_in_roots(true);
    }
    if let Some((certificate, key)) = &tls.identity {
        settings = settings.with_client_identity(Some(ClientIdentity::new(
            file("ssl-cert", certificate, "CERTIFICATE")?.into(),
            file("ssl-key", key, "RSA PRIVATE KEY")?.into(),
        )));
    }
    Ok(Some(settings))
}

/// A file's bytes, provided that it holds such a thing in PEM, or is no PEM.
fn file(option: &str, path: &Path, label: &str) -> Result<Vec<u8>, Unusable> {
    let shown = path.display();
    let help = format!("`{option}` is a file in PEM");
    let bytes = std::fs::read(path)
        .map_err(|error| Unusable::new(format!("`{option}` {shown}: {error}"), &*help))?;
    let Ok(text) = std::str::from_utf8(&bytes) else {
        // DER, which the client judges.
        return Ok(bytes);
    };
    if text.contains(&format!("-----BEGIN {label}-----")) {
        return Ok(bytes);
    }
    if option == "ssl-key" && text.contains("PRIVATE KEY-----") {
        return Err(Unusable::new(
            format!("`{option}` {shown} is no RSA key of the traditional kind"),
            "for an RSA key: `openssl rsa -traditional -in KEY -out NEW-KEY`",
        ));
    }
    let message = format!("`{option}` {shown} holds no {}", label.to_lowercase());
    Err(Unusable::new(message, help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_what_it_is_said_to_be_is_named() {
        let home = std::env::temp_dir().join(format!("migrate-tls-{}", crate::lock::random()));
        std::fs::create_dir_all(&home).unwrap();
        let at = |name: &str, text: &str| {
            let path = home.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let tls = |authority: Option<_>, identity: Option<_>| Tls {
            mode: Mode::VerifyCa,
            authority,
            identity,
        };
        let certificate = at("c.pem", "-----BEGIN CERTIFICATE-----\n");
        let key = at("k.pem", "-----BEGIN RSA PRIVATE KEY-----\n");
        let newer = at("n.pem", "-----BEGIN PRIVATE KEY-----\n");
        let empty = at("e.pem", "");
        for (tls, message) in [
            (tls(Some(home.join("none.pem")), None), "none.pem: "),
            (tls(Some(home.clone()), None), "`ssl-ca` "),
            (tls(Some(empty.clone()), None), "e.pem holds no certificate"),
            (tls(Some(key.clone()), None), "k.pem holds no certificate"),
            (
                tls(None, Some((certificate.clone(), empty))),
                "e.pem holds no rsa private key",
            ),
            (
                tls(None, Some((certificate.clone(), newer))),
                "n.pem is no RSA key of the traditional kind",
            ),
        ] {
            let error = settings(&tls).expect_err(message);
            assert!(error.message.contains(message), "{error:?}");
        }
        let good = tls(Some(certificate.clone()), Some((certificate, key)));
        assert!(settings(&good).unwrap().is_some());
        let none = Tls {
            mode: Mode::Disabled,
            ..tls(Some(home.join("none.pem")), None)
        };
        assert!(settings(&none).unwrap().is_none());
        std::fs::remove_dir_all(home).unwrap();
    }
}
