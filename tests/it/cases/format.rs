//! The files of a case.

use std::fs;
use std::path::{Path, PathBuf};

use openbao_perimeter::code::{Code, Level};
use openbao_perimeter::settings::ServerConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Default user of a write.
const TENANT: &str = "tenant-alice";

/// `case.yaml`. All keys are optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Header {
    /// `UPDATE` where there is a `before.yaml`, else `CREATE`.
    operation: Option<Operation>,
    user: Option<String>,
    pub(crate) groups: Vec<String>,
    /// Settings, as in a settings file.
    pub(crate) settings: Option<Value>,
    pub(crate) facts: Facts,
    /// True if the object is checked as part of a dump of a cluster. Otherwise its write is reviewed.
    pub(crate) dump: bool,
    /// Reason for which the case cannot be run on a real API server.
    pub(crate) not_on_the_api_server: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
}

impl Operation {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// State of the server's facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Facts {
    #[default]
    Complete,
    Missing,
}

/// `expect.yaml`: the expected end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// `allow`, `warn` or `deny`.
    pub(crate) outcome: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) findings: Vec<ExpectedFinding>,
    /// Repairs by `/mutate`: operation and path of each change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) repairs: Vec<String>,
}

/// The compared parts of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedFinding {
    pub(crate) code: String,
    pub(crate) level: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) connection: Option<String>,
}

impl ExpectedFinding {
    pub(crate) fn level(&self) -> Level {
        let mut levels = Level::ALL.into_iter();
        let level = levels.find(|level| level.as_str() == self.level);
        level.unwrap_or_else(|| panic!("expected a level, found `{}`", self.level))
    }
}

/// A folder of `tests/cases`.
pub(crate) struct Case {
    /// Name of the folder.
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// The rule.
    pub(crate) code: Code,
    pub(crate) about: String,
    pub(crate) header: Header,
    /// The old object of an update or a deletion.
    pub(crate) before: Option<PathBuf>,
    /// The object that is written or deleted.
    pub(crate) request: PathBuf,
    /// The file or folder with the other objects.
    pub(crate) inventory: PathBuf,
    pub(crate) expect: Option<Expect>,
}

impl Case {
    fn read(folder: PathBuf) -> Self {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let code = name.split('-').next().unwrap_or_default();
        let code: Code = code
            .parse()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let there = |file: &str| Some(folder.join(file)).filter(|path| path.exists());
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/examples/inventory");
        Self {
            code,
            about: fs::read_to_string(folder.join("about.md")).unwrap_or_default(),
            header: yaml(&folder.join("case.yaml")).unwrap_or_default(),
            before: there("before.yaml"),
            request: folder.join("request.yaml"),
            inventory: there("inventory.yaml").unwrap_or(example),
            expect: yaml(&folder.join("expect.yaml")),
            name,
            folder,
        }
    }

    pub(crate) fn operation(&self) -> Operation {
        let usual = if self.before.is_some() {
            Operation::Update
        } else {
            Operation::Create
        };
        self.header.operation.unwrap_or(usual)
    }

    pub(crate) fn user(&self) -> &str {
        self.header.user.as_deref().unwrap_or(TENANT)
    }

    pub(crate) fn settings(&self) -> ServerConfig {
        let settings = self.header.settings.clone();
        settings.map_or_else(ServerConfig::default, |settings| {
            ServerConfig::deserialize(settings)
                .unwrap_or_else(|error| panic!("{}: {error}", self.name))
        })
    }

    /// The end in one word.
    pub(crate) fn end(&self) -> &'static str {
        let Some(expect) = &self.expect else {
            return "unknown";
        };
        match (expect.outcome.as_str(), expect.repairs.is_empty()) {
            ("deny", true) => "denied",
            ("deny", false) => "repaired",
            ("warn", _) => "warned",
            _ => "accepted",
        }
    }
}

fn yaml<T: for<'a> Deserialize<'a>>(path: &Path) -> Option<T> {
    let text = fs::read_to_string(path).ok()?;
    let value = serde_saphyr::from_str(&text);
    Some(value.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The scenes among the examples that are denied, each as a case.
pub(crate) fn scenes() -> Vec<Case> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/examples");
    let inventory = examples.join("inventory");
    let entries = fs::read_dir(examples.join("scenes")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let scene = |request: PathBuf| {
        let name = request.file_stem()?.to_string_lossy().into_owned();
        let code = name
            .strip_prefix("refused-")?
            .split('-')
            .next()?
            .parse()
            .ok()?;
        let text = fs::read_to_string(&request).ok()?;
        let stored = ["openbaocluster", "bao-network-policy"].into_iter();
        let before = stored.map(|stored| inventory.join(format!("{stored}.yaml")));
        let is_same = |path: &PathBuf| {
            let name = |text: &str| {
                let object: Value = serde_saphyr::from_str(text).unwrap();
                (object["kind"].clone(), object["metadata"]["name"].clone())
            };
            name(&fs::read_to_string(path).unwrap()) == name(&text)
        };
        Some(Case {
            before: before.into_iter().find(is_same),
            code,
            about: String::new(),
            header: Header::default(),
            inventory: inventory.clone(),
            expect: None,
            folder: examples.clone(),
            name,
            request,
        })
    };
    paths.filter_map(scene).collect()
}

/// All cases, sorted by name.
pub(crate) fn all() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.into_iter().map(Case::read).collect()
}
