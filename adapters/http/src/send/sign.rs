//! The signature of Standard Webhooks, by which an endpoint knows who posts.

use finis_engine::Timestamp;
use finis_engine::contract;
use finis_engine::contract::draft::{Encoding, Mac, SecretForm};
use finis_providers::signature::{Options, Outgoing, Secret, SetupError, Signer, Unfillable};

/// Signs what is posted to one endpoint: HMAC-SHA256 over id, time and body, a signature for each secret.
#[derive(Debug)]
pub struct Signature {
    signer: Signer,
}

impl Signature {
    /// With secrets as Standard Webhooks write them: base64, with or without `whsec_` before it. With several,
    /// whoever has one of them can verify, as during a rotation.
    ///
    /// # Errors
    /// When there is none, or one that cannot be one.
    pub fn new(secrets: &[Secret]) -> Result<Signature, SetupError> {
        let text = |text: &str| Some(text.to_owned());
        let draft = contract::draft::Signature {
            mac: Mac::HmacSha256,
            header: text("webhook-signature"),
            signed: text("{id}.{timestamp}.{body}"),
            encoding: Some(Encoding::Base64),
            secret: SecretForm::Whsec,
            id_header: text("webhook-id"),
            timestamp_header: text("webhook-timestamp"),
            timestamp_key: None,
            signature_key: None,
            prefix: text("v1,"),
            separator: text(" "),
            exact: false,
            timestamp_unit: None,
            tolerance: None,
            tolerance_ahead: None,
            fallback: None,
            body_digest: None,
            body_unprotected: false,
        };
        // What is written here has no fault: a test signs with it.
        let signature = contract::Signature::new(&draft).map_err(|_| SetupError::NoSignature)?;
        Ok(Signature { signer: Signer::new(Some(&signature), secrets, &Options::default())? })
    }

    /// The headers that prove a body, for a try at this time: id, time and signatures.
    pub(super) fn headers(&self, id: &str, body: &[u8], at: Timestamp) -> Result<Vec<(String, String)>, Unfillable> {
        self.signer.sign(&Outgoing { id: Some(id), url: None, body }, at)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use standardwebhooks::Webhook;

    use super::*;

    const SECRETS: [&str; 2] = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"];

    #[test]
    fn the_published_verifier_takes_it_with_each_of_the_secrets() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let at = Timestamp::from_unix(now.try_into().unwrap(), 0, 0).unwrap();
        let (id, body) = ("ntc_00", br#"{"a":"\u00fc"}"#);
        let signature = Signature::new(&SECRETS.map(Secret::new)).unwrap();
        let headers: HeaderMap = signature
            .headers(id, body, at)
            .unwrap()
            .iter()
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        assert_eq!(headers["webhook-id"], id);
        for secret in SECRETS {
            Webhook::new(secret).unwrap().verify(body, &headers).unwrap();
            Webhook::new(secret).unwrap().verify(b"{}", &headers).unwrap_err();
        }
        Webhook::new("whsec_AAAA").unwrap().verify(body, &headers).unwrap_err();
    }

    #[test]
    fn a_secret_that_is_none_is_refused() {
        assert!(matches!(Signature::new(&[]), Err(SetupError::NoSecret)));
        for secret in ["", "whsec_", "not base64!", "whsk_AAAA"] {
            assert!(
                matches!(Signature::new(&[Secret::new(secret)]), Err(SetupError::Secret { place: 0, .. })),
                "{secret}"
            );
        }
    }
}
