# SPDX-License-Identifier: Apache-2.0
"""Makes the certificates of this folder: an authority, and what it has signed for localhost, for another host, and for
a time that is over; and one that has signed itself. All have one key, which is no secret.

    make.py     needs Python's `cryptography`
"""
import datetime
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = pathlib.Path(__file__).resolve().parent
ALWAYS = datetime.datetime(2020, 1, 1), datetime.datetime(2120, 1, 1)
OVER = datetime.datetime(2020, 1, 1), datetime.datetime(2021, 1, 1)
KEY = ec.generate_private_key(ec.SECP256R1())
AUTHORITY_KEY = ec.generate_private_key(ec.SECP256R1())


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make(file, subject, issuer, key, signing, times=ALWAYS, host=None):
    made = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(times[0]).not_valid_after(times[1])
    made = made.add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
    if host:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    text = made.sign(signing, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (HERE / f"{file}.pem").write_bytes(text)


make("authority", "Test authority", "Test authority", AUTHORITY_KEY, AUTHORITY_KEY)
make("localhost", "localhost", "Test authority", KEY, AUTHORITY_KEY, host="localhost")
make("other_host", "other.example", "Test authority", KEY, AUTHORITY_KEY, host="other.example")
make("expired", "localhost", "Test authority", KEY, AUTHORITY_KEY, OVER, host="localhost")
make("self_signed", "localhost", "localhost", KEY, KEY, host="localhost")
(HERE / "key.pem").write_bytes(KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                 serialization.NoEncryption()))
