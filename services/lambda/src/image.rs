//! Functions whose code is a container image: which image a URI means, and what may be said beside one.
//!
//! Images are the host's, added by its operator; no registry is asked, and the URI's host is only kept and shown. What a name
//! meant when the function got its code stays its code. Knows nothing of environments.
//!
//! DIVERGES: the account and region in an `ImageUri` are not compared with the function's; an operator says for which accounts
//! an image is, where AWS asks the repository's policy.

use casemate_kernel::Env;
use casemate_oci::{
    Digest, OciError,
    name::Uri,
    store::{Found, Images},
};
use serde::{Deserialize, Serialize};

use crate::api::{
    CreateFunctionInput, Error, FunctionCodeLocation, ImageConfig, ImageConfigResponse, PackageType,
    UpdateFunctionConfigurationInput,
};

/// A function's image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageUse {
    /// As it was asked for.
    pub(crate) uri: String,
    /// What that meant.
    pub(crate) resolved: String,
    /// Of the image's manifest.
    pub(crate) digest: Digest,
    /// What counts in the place of the image's own words.
    #[serde(default)]
    pub(crate) instead: Instead,
}

/// What counts in the place of the image's own words; empty where they count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Instead {
    pub(crate) entry_point: Vec<String>,
    pub(crate) command: Vec<String>,
    pub(crate) working_directory: String,
}

/// Texts of an entry point or command, and bytes of all of them. Ours: what a process can be given has a limit, too.
const WORDS_BYTES_MAX: usize = 64 * 1024;

impl ImageUse {
    /// What the URI means now to functions of an account.
    pub(crate) async fn resolve(env: &Env, account: String, uri: &str) -> Result<Self, Error> {
        // AWS: texts as the service words them.
        let refused = |what: &str| {
            Error::invalid_parameter_value_exception(format!(
                "Source image {uri} {what}. Provide a valid source image."
            ))
        };
        let parsed: Uri = uri.parse().map_err(|_| refused("is not valid"))?;
        let Some(images) = images(env)? else { return Err(refused("does not exist")) };
        let wanted = parsed.clone();
        let look = move || {
            let Found::Image(digest) = images.find(&wanted, &account)? else { return Ok(None) };
            Ok(images.image(digest)?.map(|_| digest))
        };
        let found = env.heavy.run(look).await?.map_err(broken)?;
        // DIVERGES: an image that is kept for other accounts is not there, rather than forbidden.
        let digest = found.ok_or_else(|| refused("does not exist"))?;
        Ok(Self {
            uri: uri.to_owned(),
            resolved: parsed.resolved(digest),
            digest,
            instead: Instead::default(),
        })
    }

    /// Where the code is, as `GetFunction` says it.
    pub(crate) fn location(&self) -> FunctionCodeLocation {
        FunctionCodeLocation {
            repository_type: Some("ECR".to_owned()),
            image_uri: Some(self.uri.clone()),
            resolved_image_uri: Some(self.resolved.clone()),
            ..FunctionCodeLocation::default()
        }
    }

    /// What was said beside the image.
    pub(crate) fn config_shown(&self) -> Option<ImageConfigResponse> {
        if self.instead == Instead::default() {
            return None;
        }
        let words = |words: &[String]| Some(words.to_vec()).filter(|words| !words.is_empty());
        let config = ImageConfig {
            entry_point: words(&self.instead.entry_point),
            command: words(&self.instead.command),
            working_directory: Some(self.instead.working_directory.clone()).filter(|text| !text.is_empty()),
        };
        Some(ImageConfigResponse { image_config: Some(config), error: None })
    }
}

impl Instead {
    /// From a request.
    pub(crate) fn of(config: &ImageConfig) -> Result<Self, Error> {
        let instead = Self {
            entry_point: config.entry_point.clone().unwrap_or_default(),
            command: config.command.clone().unwrap_or_default(),
            working_directory: config.working_directory.clone().unwrap_or_default(),
        };
        let words = || instead.entry_point.iter().chain(&instead.command).chain([&instead.working_directory]);
        if words().any(|word| word.contains('\0'))
            || words().map(String::len).sum::<usize>() > WORDS_BYTES_MAX
        {
            return Err(Error::invalid_parameter_value_exception(format!(
                "ImageConfig must not have a NUL byte or more than {WORDS_BYTES_MAX} bytes"
            )));
        }
        if !instead.working_directory.is_empty() && !instead.working_directory.starts_with('/') {
            return Err(Error::invalid_parameter_value_exception(
                "ImageConfig.WorkingDirectory must be an absolute path",
            ));
        }
        Ok(instead)
    }
}

/// The images of this host; `None` where nothing is kept.
pub(crate) fn images(env: &Env) -> Result<Option<Images>, Error> {
    let Some(data_dir) = &env.site.data_dir else { return Ok(None) };
    Images::of(data_dir).map(Some).map_err(broken)
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
fn broken(error: OciError) -> Error {
    Error::Internal(casemate_kernel::Fault::broken(format!("the images cannot be read: {error}")))
}

/// Does a request want an image?
pub(crate) fn is_asked(input: &CreateFunctionInput) -> bool {
    input.package_type == Some(PackageType::Image)
}

/// Refuses what does not go with an image, or with none.
pub(crate) fn check_new(input: &CreateFunctionInput) -> Result<(), Error> {
    if !is_asked(input) {
        if input.image_config.is_some() {
            return Err(config_without_image());
        }
        if input.code.image_uri.is_some() {
            return Err(Error::invalid_parameter_value_exception(
                "Please don't provide ImageUri when creating a function with packageType Zip.",
            ));
        }
        return Ok(());
    }
    if input.runtime.is_some() || input.handler.is_some() || has_layers(input.layers.as_deref()) {
        return Err(unfit());
    }
    if input.code.image_uri.is_none() || input.code.zip_file.is_some() {
        return Err(Error::invalid_parameter_value_exception(
            "Please provide ImageUri when creating a function with packageType Image.",
        ));
    }
    input.image_config.as_ref().map_or(Ok(()), |config| Instead::of(config).map(drop))
}

/// Refuses code that is not of the function's kind.
pub(crate) fn check_code(image: Option<&ImageUse>, uri: Option<&str>, is_package: bool) -> Result<(), Error> {
    let text = match (image, uri) {
        (Some(_), Some(_)) if !is_package => return Ok(()),
        (None, None) => return Ok(()),
        // AWS: texts as the service words them.
        (Some(_), _) => "Please provide ImageUri when updating a function with packageType Image.",
        (None, Some(_)) => "Please don't provide ImageUri when updating a function with packageType Zip.",
    };
    Err(Error::invalid_parameter_value_exception(text))
}

/// Changes what is said beside a function's image. Members that are not there stay as they are.
pub(crate) fn change(
    image: &mut Option<ImageUse>,
    input: &UpdateFunctionConfigurationInput,
) -> Result<(), Error> {
    match (image, &input.image_config) {
        (None, Some(_)) => Err(config_without_image()),
        (Some(_), _)
            if input.runtime.is_some() || input.handler.is_some() || has_layers(input.layers.as_deref()) =>
        {
            Err(unfit())
        }
        (_, None) => Ok(()),
        (Some(image), Some(config)) => {
            image.instead = Instead::of(config)?;
            Ok(())
        }
    }
}

fn has_layers(layers: Option<&[String]>) -> bool {
    layers.is_some_and(|layers| !layers.is_empty())
}

fn unfit() -> Error {
    // AWS: text as the service words it.
    Error::invalid_parameter_value_exception(
        "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image.",
    )
}

fn config_without_image() -> Error {
    Error::invalid_parameter_value_exception(
        "Please don't provide ImageConfig when the intended function PackageType is Zip.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::FunctionCode;

    fn input() -> CreateFunctionInput {
        CreateFunctionInput {
            package_type: Some(PackageType::Image),
            code: FunctionCode { image_uri: Some("r.example/app:1".to_owned()), ..FunctionCode::default() },
            ..CreateFunctionInput::default()
        }
    }

    fn used() -> ImageUse {
        let digest = Digest::of(b"x");
        ImageUse { uri: "u".to_owned(), resolved: "r".to_owned(), digest, instead: Instead::default() }
    }

    fn config(word: &str, folder: &str) -> ImageConfig {
        ImageConfig {
            entry_point: None,
            command: Some(vec![word.to_owned()]),
            working_directory: Some(folder.to_owned()),
        }
    }

    #[test]
    fn what_does_not_go_with_an_image_is_refused() {
        check_new(&input()).unwrap();
        check_new(&CreateFunctionInput { layers: Some(Vec::new()), ..input() }).unwrap();
        let bad = [
            CreateFunctionInput { runtime: Some("python3.12".to_owned()), ..input() },
            CreateFunctionInput { handler: Some("a.b".to_owned()), ..input() },
            CreateFunctionInput { layers: Some(vec!["arn".to_owned()]), ..input() },
            CreateFunctionInput { code: FunctionCode::default(), ..input() },
            CreateFunctionInput {
                code: FunctionCode { zip_file: Some(vec![1].into()), ..input().code },
                ..input()
            },
            CreateFunctionInput { image_config: Some(config("a\0", "/")), ..input() },
            CreateFunctionInput { image_config: Some(config("a", "relative")), ..input() },
            CreateFunctionInput { image_config: Some(config(&"a".repeat(70_000), "/")), ..input() },
            CreateFunctionInput { package_type: None, ..input() },
            CreateFunctionInput {
                package_type: None,
                runtime: Some("python3.12".to_owned()),
                handler: Some("a.b".to_owned()),
                code: FunctionCode { zip_file: Some(vec![1].into()), ..input().code },
                ..input()
            },
            CreateFunctionInput { package_type: None, image_config: Some(config("a", "/")), ..input() },
        ];
        for input in bad {
            assert!(check_new(&input).is_err(), "{input:?}");
        }
    }

    #[test]
    fn a_function_keeps_its_kind_of_code() {
        let image = used();
        check_code(Some(&image), Some("r.example/app:2"), false).unwrap();
        check_code(None, None, true).unwrap();
        for (image, uri, is_package) in [
            (Some(&image), None, true),
            (Some(&image), None, false),
            (Some(&image), Some("u"), true),
            (None, Some("u"), false),
        ] {
            assert!(check_code(image, uri, is_package).is_err());
        }
    }

    #[test]
    fn an_images_words_are_changed_as_a_whole_and_nothing_else_is_said() {
        let mut image = Some(used());
        let change_to = |image: &mut Option<ImageUse>, config: Option<ImageConfig>| {
            change(image, &UpdateFunctionConfigurationInput { image_config: config, ..Default::default() })
        };
        change_to(&mut image, Some(config("a", "/x"))).unwrap();
        change_to(&mut image, None).unwrap();
        assert_eq!(image.as_ref().unwrap().instead.working_directory, "/x");
        change_to(&mut image, Some(ImageConfig::default())).unwrap();
        assert_eq!(image.as_ref().unwrap().config_shown(), None);
        assert!(change_to(&mut None, Some(config("a", "/"))).is_err());
        let handler =
            UpdateFunctionConfigurationInput { handler: Some("a.b".to_owned()), ..Default::default() };
        assert!(change(&mut image, &handler).is_err());
        change(&mut None, &handler).unwrap();
    }
}
