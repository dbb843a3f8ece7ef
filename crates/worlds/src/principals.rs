//! Who may call a world, as its server wants it.

use portcullis_server::{Credentials, Principals};

use crate::World;

impl World {
    /// The world's principals, and whose signatures are good: theirs, and those that every
    /// Portcullis knows.
    ///
    /// Rule DOOR-10: the latter not where the world switches them off.
    ///
    /// # Errors
    /// A text that names the principal.
    pub fn principals(&self) -> Result<(Principals, Credentials), String> {
        let mut principals = Principals::default();
        let mut credentials = if self.auth.public_root {
            Credentials::default()
        } else {
            Credentials::none()
        };
        for entry in &self.principals {
            let principal = entry
                .principal(&self.scope())
                .map_err(|why| format!("the principal {:?} {why}", entry.access_key))?;
            let known = self.principals.iter();
            let same = known.filter(|other| other.access_key == entry.access_key);
            if same.count() > 1 {
                return Err(format!("two principals have {:?}.", entry.access_key));
            }
            let secret = entry
                .secret()
                .map_err(|why| format!("the principal {:?} {why}", entry.access_key))?;
            credentials.insert(entry.access_key.clone(), secret.as_str());
            if let Some(token) = &entry.session_token {
                credentials.insert_session_token(entry.access_key.clone(), token.reveal());
            }
            principals.insert(entry.access_key.clone(), principal);
        }
        Ok((principals, credentials))
    }
}
