//! `ListKeyRotations`: when a key got new material.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Kms,
    api::{
        Error, ListKeyRotations, ListKeyRotationsInput, ListKeyRotationsOutput, RotationType,
        RotationsListEntry,
    },
    asks::Reach,
    page,
    rows::Material,
};

/// Materials of one key: more than a year's rotations and those on demand can be.
const MATERIALS_MAX: usize = 1000;
/// Default page.
// AWS: API reference.
const PAGE: usize = 100;

impl Operation<ListKeyRotations> for Kms {
    fn access(&self, input: &ListKeyRotationsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![self.ask("kms:ListKeyRotations", caller, &input.key_id, Reach::Home)?]))
    }

    async fn run(&self, call: Call<ListKeyRotations>) -> Result<ListKeyRotationsOutput, Error> {
        let place = self.admitted(call.permit(), "kms:ListKeyRotations", &call.input.key_id)?;
        if call.input.include_key_material.is_some_and(|which| which.as_str() != "ROTATIONS_ONLY") {
            return Err(Error::Validation("IncludeKeyMaterial can be ROTATIONS_ONLY here".to_owned()));
        }
        let materials: Vec<(Key, Material)> = self.env.store.read(|tx| {
            place.existing(tx, call.now())?;
            Ok::<_, Error>(tx.scan(&place.key(), None, MATERIALS_MAX)?)
        })?;
        // The first material is the key's own, made by no rotation.
        let rotations = materials
            .into_iter()
            .skip(1)
            .map(|(at, material)| (format!("{:010}", at.number_at(1).unwrap_or_default()), material));
        let (page, next) = page::cut(
            rotations.collect(),
            |(number, _)| number,
            call.input.limit,
            PAGE,
            call.input.marker.as_ref(),
        )?;
        let entry = |(_, material): (String, Material)| RotationsListEntry {
            key_id: Some(place.arn().as_str().to_owned()),
            rotation_date: Some(material.made_at),
            rotation_type: Some(if material.on_demand {
                RotationType::OnDemand
            } else {
                RotationType::Automatic
            }),
            key_material_id: Some(material.id),
            ..RotationsListEntry::default()
        };
        Ok(ListKeyRotationsOutput {
            rotations: Some(page.into_iter().map(entry).collect()),
            truncated: Some(next.is_some()),
            next_marker: next,
        })
    }
}
