// pki mints what a development cluster needs to trust itself: two certificate authorities, certificates and the key
// pair of service accounts. Standard library only, so that it builds in seconds.
//
//	pki FOLDER < request.json
//
// The request is a list of {"file", "commonName", "organizations", "hosts", "authority"}. A leaf with hosts serves;
// every leaf may authenticate as a client. "authority" is "ca" or "front-proxy-ca".
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const lifetime = 10 * 365 * 24 * time.Hour

type leaf struct {
	File          string   `json:"file"`
	CommonName    string   `json:"commonName"`
	Organizations []string `json:"organizations"`
	Hosts         []string `json:"hosts"`
	Authority     string   `json:"authority"`
}

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: pki FOLDER < request.json")
		os.Exit(2)
	}
	var leaves []leaf
	if err := json.NewDecoder(os.Stdin).Decode(&leaves); err != nil {
		fmt.Fprintln(os.Stderr, "pki: the request is not a JSON list of certificates:", err)
		os.Exit(1)
	}
	if err := mint(os.Args[1], leaves); err != nil {
		fmt.Fprintln(os.Stderr, "pki:", err)
		os.Exit(1)
	}
}

func mint(folder string, leaves []leaf) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	authorities := map[string]authority{}
	for _, name := range []string{"ca", "front-proxy-ca"} {
		made, err := mintAuthority(folder, name)
		if err != nil {
			return err
		}
		authorities[name] = made
	}
	for _, wanted := range leaves {
		issuer, known := authorities[wanted.Authority]
		if !known {
			return fmt.Errorf("%s: no authority named %q", wanted.File, wanted.Authority)
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		if err := sign(folder, wanted.File, describe(wanted), issuer, key); err != nil {
			return err
		}
	}
	return mintServiceAccountKey(folder)
}

func mintAuthority(folder, name string) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	certificate := blank("devcluster-" + name)
	certificate.IsCA, certificate.BasicConstraintsValid = true, true
	certificate.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	// A subject key id is needed for OpenSSL's strict mode, which Python 3.13 turns on.
	made := authority{certificate, key}
	if err := sign(folder, name, certificate, made, key); err != nil {
		return authority{}, err
	}
	der, err := os.ReadFile(filepath.Join(folder, name+".crt"))
	if err != nil {
		return authority{}, err
	}
	block, _ := pem.Decode(der)
	made.certificate, err = x509.ParseCertificate(block.Bytes)
	return made, err
}

func blank(commonName string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // crypto/rand never fails on a supported system
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(lifetime),
	}
}

func describe(wanted leaf) *x509.Certificate {
	certificate := blank(wanted.CommonName)
	certificate.Subject.Organization = wanted.Organizations
	certificate.BasicConstraintsValid = true
	certificate.KeyUsage = x509.KeyUsageDigitalSignature
	certificate.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, host := range wanted.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			certificate.IPAddresses = append(certificate.IPAddresses, ip)
		} else {
			certificate.DNSNames = append(certificate.DNSNames, host)
		}
	}
	if len(wanted.Hosts) > 0 {
		certificate.ExtKeyUsage = append(certificate.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	return certificate
}

func sign(folder, name string, certificate *x509.Certificate, issuer authority, key *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, certificate, issuer.certificate, &key.PublicKey, issuer.key)
	if err != nil {
		return err
	}
	if err := write(folder, name+".crt", "CERTIFICATE", der); err != nil {
		return err
	}
	return writePrivate(folder, name+".key", key)
}

// Service account tokens are signed with RS256: it is the only algorithm that every client of such tokens knows.
func mintServiceAccountKey(folder string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := write(folder, "service-accounts.pub", "PUBLIC KEY", public); err != nil {
		return err
	}
	return writePrivate(folder, "service-accounts.key", key)
}

func writePrivate(folder, name string, key crypto.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return write(folder, name, "PRIVATE KEY", der)
}

func write(folder, name, kind string, der []byte) error {
	return os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
