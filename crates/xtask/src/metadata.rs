//! What `cargo metadata` tells about the workspace, as far as the checks need it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::programs;

/// All packages that the workspace's build knows, and which of them use which.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// Every package, the workspace's own and the foreign ones.
    pub packages: Vec<Package>,
    /// The ids of the workspace's own packages.
    pub workspace_members: Vec<String>,
    /// The resolved graph.
    pub resolve: Resolve,
}

/// One package as its manifest tells.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// The opaque id that the graph uses.
    pub id: String,
    /// The name.
    pub name: String,
    /// An SPDX expression.
    pub license: Option<String>,
    /// Where it comes from; nothing for one of ours.
    pub source: Option<String>,
    /// What the manifest names, of every kind and for every platform, optional or not.
    pub dependencies: Vec<Dependency>,
    /// What is built from it.
    pub targets: Vec<Target>,
}

/// A dependency as a manifest names it.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// Absent for an ordinary one, else `dev` or `build`.
    pub kind: Option<String>,
    /// The versions that it takes.
    #[serde(default)]
    pub req: String,
    /// Where it lies, if it is one of ours.
    pub path: Option<PathBuf>,
}

/// Something built from a package.
#[derive(Debug, Deserialize)]
pub struct Target {
    /// `lib`, `bin`, `test`, `bench`, `example`, `custom-build`, `proc-macro`.
    pub kind: Vec<String>,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its root file.
    pub src_path: PathBuf,
    /// Without these features of its package it is not built.
    #[serde(default, rename = "required-features")]
    pub required_features: Vec<String>,
}

/// The resolved graph.
#[derive(Debug, Deserialize)]
pub struct Resolve {
    /// One node a package.
    pub nodes: Vec<Node>,
}

/// A package in the graph.
#[derive(Debug, Deserialize)]
pub struct Node {
    /// The package's id.
    pub id: String,
    /// What it uses.
    pub deps: Vec<Edge>,
}

/// One package using another.
#[derive(Debug, Deserialize)]
pub struct Edge {
    /// The used package's id.
    pub pkg: String,
    /// In which ways.
    pub dep_kinds: Vec<EdgeKind>,
}

/// A way of using a package.
#[derive(Debug, Deserialize)]
pub struct EdgeKind {
    /// Absent for the ordinary one, else `dev` or `build`.
    pub kind: Option<String>,
}

impl Metadata {
    /// Asks cargo, for the platform that we build for.
    pub fn of_workspace() -> Result<Self> {
        let mut ask = programs::cargo();
        ask.args(["metadata", "--format-version=1", "--filter-platform=x86_64-unknown-linux-gnu"]);
        Self::parse(&programs::read(&mut ask)?)
    }

    /// Reads cargo's JSON.
    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| Error::Found(format!("cargo metadata: {error}")))
    }

    /// The workspace's own packages.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// The names of all packages that a package's ordinary build links, itself excluded; each with the one that names it.
    pub fn linked_by(&self, package: &Package) -> BTreeMap<&str, &str> {
        let names: BTreeMap<&str, &str> = self.packages.iter().map(|p| (p.id.as_str(), p.name.as_str())).collect();
        let nodes: BTreeMap<&str, &Node> = self.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let mut found = BTreeMap::new();
        let mut open = vec![package.id.as_str()];
        while let Some(id) = open.pop() {
            let edges = nodes.get(id).map_or(&[][..], |node| &node.deps);
            for edge in edges.iter().filter(|edge| edge.dep_kinds.iter().any(|kind| kind.kind.is_none())) {
                let (Some(name), Some(user)) = (names.get(edge.pkg.as_str()), names.get(id)) else { continue };
                if found.insert(*name, *user).is_none() {
                    open.push(&edge.pkg);
                }
            }
        }
        found
    }
}
