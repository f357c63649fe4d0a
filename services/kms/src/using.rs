//! Encrypting and decrypting with stored keys: which material, when it changes, and what a key's state forbids.

use casemate_kernel::Fault;
use casemate_names::{Secret, Timestamp, hex};
use casemate_store::WriteTx;

use crate::{
    Kms,
    api::Error,
    cipher::{self, Header, MATERIAL_BYTES},
    encryption_context::{self, EncryptionContext},
    rows::{KeyRow, Material, Place, Rotation},
};

/// Seconds of a day.
pub(crate) const DAY_S: i64 = 86_400;

/// What was encrypted, or decrypted, and with which material.
pub(crate) struct Done {
    /// The ciphertext, or the plain text.
    pub(crate) bytes: Vec<u8>,
    /// The material's id.
    pub(crate) material_id: String,
}

impl Kms {
    /// New material, from its own stream of randomness.
    pub(crate) fn fresh_material(&self, now: Timestamp, on_demand: bool) -> Material {
        let mut secret = vec![0_u8; MATERIAL_BYTES];
        self.env.entropy.fill("kms.material", &mut secret);
        let mut id = [0_u8; 32];
        self.env.entropy.fill("kms.material-id", &mut id);
        Material { id: hex(&id), made_at: now, on_demand, secret: Secret::new(secret) }
    }

    /// Encrypts with a key's newest material, which is made first if rotation is due.
    // DIVERGES: new material is made at the first use after its time has come, not at that time.
    pub(crate) async fn encrypt(
        &self,
        place: &Place,
        context: Option<&EncryptionContext>,
        plain: &[u8],
        now: Timestamp,
    ) -> Result<Done, Error> {
        encryption_context::check(context)?;
        let row = self.env.store.read(|tx| place.enabled(tx, now))?;
        let row = if is_due(&row, now) { self.rotated(place, now).await? } else { row };
        let material = self.material(place, row.version)?;
        let header =
            Header { account: place.scope.account.clone(), key_id: place.id.clone(), version: row.version };
        let context = encryption_context::canonical(context);
        let blob = cipher::seal(&*self.env.entropy, &header, &material.secret, &context, plain);
        let bytes = blob.ok_or_else(|| Fault::broken("the cipher failed"))?;
        Ok(Done { bytes, material_id: material.id })
    }

    /// Decrypts with the material a ciphertext names, of the key it names.
    pub(crate) fn decrypt(
        &self,
        place: &Place,
        context: Option<&EncryptionContext>,
        blob: &[u8],
        now: Timestamp,
    ) -> Result<Done, Error> {
        encryption_context::check(context)?;
        self.env.store.read(|tx| place.enabled(tx, now))?;
        let header = Header::read(blob).ok_or_else(invalid_ciphertext)?;
        if header.key_id != place.id || header.account != place.scope.account {
            // AWS: text of the service.
            return Err(Error::incorrect_key_exception(
                "The key ID in the request does not identify a CMK that can perform this operation.",
            ));
        }
        let found = self.env.store.read(|tx| tx.get::<Material>(&place.material(header.version)))?;
        let material = found.ok_or_else(invalid_ciphertext)?;
        let context = encryption_context::canonical(context);
        let bytes = cipher::open(&material.secret, &context, blob).ok_or_else(invalid_ciphertext)?;
        Ok(Done { bytes, material_id: material.id })
    }

    /// The key a ciphertext names; it has proven nothing yet.
    pub(crate) fn key_in(&self, blob: &[u8]) -> Option<Place> {
        let header = Header::read(blob)?;
        Some(Place { scope: self.env.scope_of(&header.account), id: header.key_id })
    }

    fn material(&self, place: &Place, version: u32) -> Result<Material, Error> {
        let found = self.env.store.read(|tx| tx.get::<Material>(&place.material(version)))?;
        Ok(found.ok_or_else(|| Fault::broken("a key without its material"))?)
    }

    /// Makes the material that is due.
    async fn rotated(&self, place: &Place, now: Timestamp) -> Result<KeyRow, Error> {
        let (place, material) = (place.clone(), self.fresh_material(now, false));
        self.env
            .store
            .write(move |tx| {
                let mut row = place.enabled(tx, now)?;
                if let Some(rotation) = row.rotation.filter(|_| is_due(&row, now)) {
                    row.rotation = Some(Rotation { next_at: next(rotation.period_days, now), ..rotation });
                    add_material(tx, &place, &mut row, &material)?;
                }
                Ok::<_, Error>(row)
            })
            .await
    }
}

/// Makes `material` the one that a key encrypts with.
pub(crate) fn add_material(
    tx: &mut WriteTx<'_>,
    place: &Place,
    row: &mut KeyRow,
    material: &Material,
) -> Result<(), Error> {
    row.version = row.version.checked_add(1).ok_or_else(|| Fault::broken("too many rotations"))?;
    tx.put(&place.material(row.version), material)?;
    Ok(tx.put(&place.key(), row)?)
}

/// When the material after one made `now` is due.
pub(crate) fn next(period_days: i32, now: Timestamp) -> Timestamp {
    now.plus_seconds(i64::from(period_days) * DAY_S)
}

fn is_due(row: &KeyRow, now: Timestamp) -> bool {
    row.rotation.is_some_and(|rotation| rotation.next_at <= now)
}

/// The ciphertext is not what it was, was made in another encryption context, or is none.
// AWS: the service's answer has no text, so that it does not say which.
pub(crate) fn invalid_ciphertext() -> Error {
    Error::InvalidCiphertextException(crate::api::InvalidCiphertextException { message: None })
}
