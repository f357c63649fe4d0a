//! The signature algorithms there are. Each belongs to one type of key; a key answers to those of its own type only, so
//! nothing that a token says can make a key be used for another.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, EcdsaVerificationAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaParameters,
};

/// An algorithm of RFC 7518 §3.1.
// AWS: IAM User Guide, "Create an OpenID Connect identity provider": these six, of an issuer's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
    Es512,
}

impl Algorithm {
    /// Those of RSA keys.
    pub(crate) const RSA: [Self; 3] = [Self::Rs256, Self::Rs384, Self::Rs512];

    /// The algorithm of that name, spelt exactly so.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "RS384" => Some(Self::Rs384),
            "RS512" => Some(Self::Rs512),
            "ES256" => Some(Self::Es256),
            "ES384" => Some(Self::Es384),
            "ES512" => Some(Self::Es512),
            _ => None,
        }
    }

    /// For an RSA key.
    pub(crate) fn of_rsa(self) -> Option<&'static RsaParameters> {
        match self {
            Self::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
            Self::Es256 | Self::Es384 | Self::Es512 => None,
        }
    }

    /// The only algorithm of a curve, how it verifies, and the bytes of a coordinate.
    pub(crate) fn of_curve(curve: &str) -> Option<(Self, &'static EcdsaVerificationAlgorithm, usize)> {
        match curve {
            "P-256" => Some((Self::Es256, &ECDSA_P256_SHA256_FIXED, 32)),
            "P-384" => Some((Self::Es384, &ECDSA_P384_SHA384_FIXED, 48)),
            "P-521" => Some((Self::Es512, &ECDSA_P521_SHA512_FIXED, 66)),
            _ => None,
        }
    }
}
